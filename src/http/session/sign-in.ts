import type { Context } from "hono";

import type { OidcClient } from "../../access/oidc.ts";
import { SIGN_IN_MS } from "../../access/sessions.ts";
import { KildeError } from "../../core/errors.ts";
import { parseUrl } from "../../core/parse-url.ts";
import { PROBLEMS } from "../../core/problems.ts";
import type { AppDeps } from "../deps.ts";
import { validQuery } from "../log/pages.ts";
import { problemResponse } from "../pipeline/problems.ts";
import { clearCookie, cookieValue, sessionCookie, setCookie, signInCookie } from "./cookies.ts";
import { signInQuery } from "./schemas.ts";
import { signInPage } from "./sign-in-page.ts";

const START_PATH = "/session/oidc";
const CALLBACK_PATH = "/session/oidc/callback";

const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/;

function clientOf({ access }: AppDeps): OidcClient {
  const { oidc } = access.sessions;
  if (oidc === null) throw new KildeError("not-found", "No OpenID provider is configured (auth.oidc)");
  return oidc;
}

/**
 * Returns the URL that the provider sends the browser back to. Browsers keep the cookies of a session over TLS or on this
 * machine only, so any other host is reached over TLS, even if a proxy ends it.
 */
function callbackUrl(c: Context, { basePath }: AppDeps): URL {
  const { host, hostname, protocol } = new URL(c.req.url);
  const scheme = LOOPBACK.test(hostname) ? protocol : "https:";
  return new URL(`${scheme}//${host}${basePath}${CALLBACK_PATH}`);
}

/** Returns a path of this server, with query and fragment. Throws a KildeError for any other text. */
function checkedPath(text: string): string {
  const base = "https://this.server";
  const url = text.startsWith("/") ? parseUrl(text, base) : null;
  // `/.//other.example` becomes `//other.example`, which is another server.
  if (url?.origin === base && !url.pathname.startsWith("//")) return url.pathname + url.search + url.hash;
  const detail = "must be a path of this server";
  throw new KildeError("invalid-parameter", `return: ${detail}`, {
    errors: [{ parameter: "return", detail }],
  });
}

/** Answers a failure of a sign-in: a browser with a page, everyone else with a problem. */
async function orFailurePage(
  c: Context,
  { basePath }: AppDeps,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    // Of these, the log has to show the reason.
    if (!(error instanceof KildeError) || error.code === "storage-unavailable") throw error;
    if (c.req.header("accept")?.includes("text/html") !== true)
      return problemResponse(c.req.path, error, basePath);
    const { status, title } = PROBLEMS[error.code];
    return signInPage(c, {
      status: status === 503 ? 503 : 400,
      title,
      text: `${error.message}.`,
      link: { path: basePath + START_PATH, text: "Sign in again" },
      continues: false,
    });
  }
}

/** `GET /session/oidc` */
export function startSignIn(c: Context, deps: AppDeps): Promise<Response> {
  return orFailurePage(c, deps, async () => {
    const { basePath } = deps;
    const oidc = clientOf(deps);
    const stated = validQuery(c, signInQuery).return;
    const returnTo = stated === undefined ? basePath || "/" : checkedPath(stated);
    const { location, attempt } = await oidc.begin(callbackUrl(c, deps).href);
    const sealed = await deps.access.sessions.sealSignIn({ ...attempt, returnTo });
    return c.body(null, 303, {
      Location: location,
      "Cache-Control": "no-store",
      "Set-Cookie": setCookie(signInCookie(basePath), sealed, SIGN_IN_MS / 1_000),
    });
  });
}

async function signedIn(c: Context, deps: AppDeps): Promise<Response> {
  const { basePath } = deps;
  const { sessions } = deps.access;
  const oidc = clientOf(deps);
  const sealed = cookieValue(c.req.raw, signInCookie(basePath));
  const started = sealed === null ? null : await sessions.openSignIn(sealed);
  if (started === null)
    throw new KildeError(
      "sign-in-failed",
      "This browser has not started to sign in within the last 10 minutes",
    );
  const callback = callbackUrl(c, deps);
  callback.search = new URL(c.req.url).search;
  const opened = await sessions.openSignedIn(await oidc.complete(callback, started));
  c.header("Set-Cookie", setCookie(sessionCookie(basePath), opened.sealed, opened.seconds));
  // A redirect would still count as sent by the provider, and browsers would leave the `Strict` cookie out of it.
  return signInPage(c, {
    status: 200,
    title: "Signed in",
    text: `You are signed in as ${opened.principal.name ?? ""}.`,
    link: { path: started.returnTo, text: "Continue" },
    continues: true,
  });
}

/** `GET /session/oidc/callback` */
export async function completeSignIn(c: Context, deps: AppDeps): Promise<Response> {
  const answer = await orFailurePage(c, deps, () => signedIn(c, deps));
  // The answer of the provider is accepted once.
  answer.headers.append("Set-Cookie", clearCookie(signInCookie(deps.basePath)));
  return answer;
}
