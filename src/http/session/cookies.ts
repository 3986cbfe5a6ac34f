import { parse, serialize } from "hono/utils/cookie";

import type { Principal } from "../../access/principal.ts";
import type { Sessions } from "../../access/sessions.ts";
import { isCrossOrigin } from "../pipeline/cross-site.ts";

/** A cookie that a browser keeps for one store. */
export interface StoreCookie {
  /** The prefix makes browsers accept it from this host alone, over TLS (RFC 6265bis §4.1.3.2). */
  readonly name: `__Host-${string}`;
  readonly sameSite: "Strict" | "Lax";
}

/** Stores below paths of one host have cookies of their own. */
function storeName(basePath: string): string {
  return basePath === "" ? "" : `-${basePath.slice(1).replaceAll("/", "+")}`;
}

/** The cookie that identifies the sender. Browsers send it with requests of Kilde's own pages alone. */
export function sessionCookie(basePath: string): StoreCookie {
  return { name: `__Host-kilde-session${storeName(basePath)}`, sameSite: "Strict" };
}

/** The cookie of a sign-in that was started. The provider, which is another site, sends the browser back with it. */
export function signInCookie(basePath: string): StoreCookie {
  return { name: `__Host-kilde-sign-in${storeName(basePath)}`, sameSite: "Lax" };
}

/** Returns the value of `Set-Cookie`. Browsers accept `Secure` cookies of localhost without TLS as well. */
export function setCookie({ name, sameSite }: StoreCookie, value: string, seconds: number): string {
  return serialize(name, value, { httpOnly: true, maxAge: seconds, path: "/", sameSite, secure: true });
}

/** Returns the value of `Set-Cookie` that removes the cookie. */
export function clearCookie(cookie: StoreCookie): string {
  return setCookie(cookie, "", 0);
}

export function cookieValue({ headers }: Request, { name }: StoreCookie): string | null {
  const header = headers.get("cookie");
  if (header === null) return null;
  return parse(header, name)[name] ?? null;
}

/**
 * Returns the function that identifies the sender of a request by the cookie of a session. It ignores the cookie in
 * requests that a page of another origin has caused, also of the same site, where `SameSite` permits the cookie.
 */
export function sessionSender(
  sessions: Pick<Sessions, "identify">,
  basePath: string,
): (request: Request) => Principal | null | Promise<Principal | null> {
  const cookie = sessionCookie(basePath);
  return (request) => {
    const sealed = cookieValue(request, cookie);
    return sealed === null || isCrossOrigin(request) ? null : sessions.identify(sealed);
  };
}
