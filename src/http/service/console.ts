import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import type { AppDeps } from "../deps.ts";
import type { Route } from "../operation.ts";
import { consolePage } from "./console-page.ts";
import { fileAnswer, type StaticFile } from "./static-file.ts";
import { textAnswer } from "../wire/text-answer.ts";

/** Names of the files that the page of the console loads first. */
export interface ConsoleEntry {
  readonly script: string;
  readonly style: string;
  readonly icon: string;
}

/** The files below /console/. The name of each changes with its content. */
export interface ConsoleFiles {
  entry(): Promise<ConsoleEntry>;
  find(name: string): Promise<StaticFile | undefined>;
}

/** Nothing inline and nothing from elsewhere; scripts cannot turn a text into markup or code. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/** `GET /console…`: a file of the console, or the page that shows every view. */
async function getConsole(
  c: Context,
  { consoleFiles, basePath, access, environment }: AppDeps,
): Promise<Response> {
  const { page = "", name } = c.req.param() as Readonly<Record<string, string | undefined>>;
  // Views have names without a dot; files have an extension.
  if (consoleFiles !== null && (name !== undefined || !page.includes("."))) {
    const hasProvider = access.sessions.oidc !== null;
    const text = await consolePage({ basePath, entry: await consoleFiles.entry(), hasProvider, environment });
    return textAnswer(c, text, 200, {
      ...HEADERS,
      "Content-Type": "text/html; charset=utf-8",
      "Cache-Control": "no-cache",
    });
  }
  const file = await consoleFiles?.find(page);
  if (file === undefined) throw new KildeError("not-found", `There is nothing at ${c.req.path}`);
  return fileAnswer(c, file, {
    ...HEADERS,
    // The same for every sender, and another name for another content.
    "Cache-Control": "public, max-age=31536000, immutable",
  });
}

/** The page shows nothing but the sign-in until the sender is known, so everyone may load it. */
const page = {
  method: "get",
  compresses: true,
  access: "always",
  isServed: ({ consoleFiles }) => consoleFiles !== null,
  handle: getConsole,
} as const satisfies Partial<Route>;

/** An address with a slash at its end, as people and programs write it, leads to the one without. */
const withSlash = {
  method: "get",
  access: page.access,
  isServed: page.isServed,
  handle: (c, { basePath }) => {
    const { pathname, search } = new URL(c.req.url);
    return c.redirect(basePath + pathname.slice(0, -1) + search, 308);
  },
} as const satisfies Partial<Route>;

/** The console: a page that works like any other client of the API. The depths of the paths are those of its views. */
export const consoleRoutes: readonly Route[] = [
  { ...page, path: "/console", link: "console", summary: "Show the console" },
  { ...page, path: "/console/{page}", summary: "Show a view of the console, or load one of its files" },
  { ...page, path: "/console/{page}/{name}", summary: "Show a part of a view, such as a subscription" },
  { ...page, path: "/console/{page}/{name}/{version}", summary: "Show a version of a feed" },
  { ...withSlash, path: "/console/", summary: "Redirect to the console" },
  { ...withSlash, path: "/console/{page}/", summary: "Redirect to a view of the console" },
  { ...withSlash, path: "/console/{page}/{name}/", summary: "Redirect to a part of a view" },
  { ...withSlash, path: "/console/{page}/{name}/{version}/", summary: "Redirect to a version of a feed" },
];
