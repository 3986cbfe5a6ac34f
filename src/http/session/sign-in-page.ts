import type { Context } from "hono";
import { html } from "hono/html";

import { textAnswer } from "../wire/text-answer.ts";

/** A page without scripts, styles, images and frames. */
const HEADERS = {
  "Content-Type": "text/html; charset=UTF-8",
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  // The URL of the page has the code of the sign-in.
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

interface SignInPage {
  readonly status: 200 | 400 | 503;
  readonly title: string;
  readonly text: string;
  readonly link: { readonly path: string; readonly text: string };
  /** Whether the browser follows the link at once. */
  readonly continues: boolean;
}

/** Answers a browser with a small page. */
export async function signInPage(
  c: Context,
  { status, title, text, link, continues }: SignInPage,
): Promise<Response> {
  const refresh = continues ? html`<meta http-equiv="refresh" content="0;url=${link.path}" />` : "";
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        ${refresh}
      </head>
      <body>
        <h1>${title}</h1>
        <p>${text}</p>
        <p><a href="${link.path}">${link.text}</a></p>
      </body>
    </html>`;
  return textAnswer(c, String(await page), status, HEADERS);
}
