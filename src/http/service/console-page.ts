import { html } from "hono/html";

import type { ConsoleEntry } from "./console.ts";

interface ConsolePage {
  readonly basePath: string;
  readonly entry: ConsoleEntry;
  /** Whether people may sign in with an OpenID provider. */
  readonly hasProvider: boolean;
  /** Name of the environment, which people see before they sign in; null: it has none. */
  readonly environment: string | null;
}

/** The HTML document of every view. Its script shows the view that the address names. */
export async function consolePage({
  basePath,
  entry,
  hasProvider,
  environment,
}: ConsolePage): Promise<string> {
  const root = `${basePath}/console`;
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Kilde</title>
        <link rel="icon" href="${root}/${entry.icon}" />
        <link rel="stylesheet" href="${root}/${entry.style}" />
        <script type="module" src="${root}/${entry.script}"></script>
      </head>
      <body
        data-base="${basePath}"
        data-provider="${hasProvider ? "openid" : "none"}"
        data-environment="${environment ?? ""}"
      >
        <div id="console"></div>
        <noscript
          >The console needs JavaScript. The command <code>kilde</code> has the same functions.</noscript
        >
      </body>
    </html>`;
  return page.toString();
}
