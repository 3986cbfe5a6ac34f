import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";

import type { Clock } from "../core/clock.ts";
import { errorText } from "../core/error-text.ts";
import { KildeError } from "../core/errors.ts";
import { startTimer } from "../core/timer.ts";
import type { TokenIssuer } from "./token-issuer.ts";

/** Sends a request to an issuer; the runtime's `fetch`. */
export type IssuerFetch = (url: string, init: RequestInit) => Promise<Response>;

export interface IssuerKeysDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly fetch: IssuerFetch;
  /** Time for an answer of an issuer, in milliseconds. */
  readonly timeoutMs: number;
  /** After a request to an issuer failed, no other one is sent for this time, in milliseconds. */
  readonly restMs: number;
  /** After the keys were fetched, an unknown key id fetches them again at the earliest after this time, in milliseconds. */
  readonly cooldownMs: number;
}

const MAX_ANSWER_LENGTH = 1024 * 1024;

const DISCOVERY_PATH = "/.well-known/openid-configuration";

/** Returns the body of an answer, which must be JSON. */
async function bodyOf(response: Response, url: string): Promise<string> {
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_ANSWER_LENGTH)
    throw new Error(`${url} answered more than ${MAX_ANSWER_LENGTH} characters`);
  JSON.parse(text);
  return text;
}

/** Returns a fetch that rests after a failure: many requests with tokens must not become many requests to an issuer. */
function restingFetch({ clock, fetch, timeoutMs, restMs }: IssuerKeysDeps): IssuerFetch {
  let failed: { readonly atMs: number; readonly error: unknown } | null = null;
  return async (url, init) => {
    if (failed !== null && clock.monotonic() - failed.atMs < restMs) throw failed.error;
    const timeout = new AbortController();
    const cancel = startTimer(timeoutMs, () => timeout.abort(new Error(`${url} did not answer in time`)));
    try {
      const body = await bodyOf(await fetch(url, { ...init, signal: timeout.signal }), url);
      failed = null;
      return new Response(body);
    } catch (error) {
      failed = { atMs: clock.monotonic(), error };
      throw error;
    } finally {
      cancel();
    }
  };
}

/** Finds the key set of an issuer (OpenID Connect Discovery 1.0 §4). */
async function discover(issuer: string, fetch: IssuerFetch): Promise<URL> {
  const url = `${issuer.replace(/\/$/, "")}${DISCOVERY_PATH}`;
  const found: unknown = await (await fetch(url, { method: "GET", redirect: "manual" })).json();
  const { issuer: stated, jwks_uri: keys } = (found ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (stated !== issuer) throw new Error(`${url} is of the issuer ${JSON.stringify(stated)}`);
  if (typeof keys !== "string" || !URL.canParse(keys)) throw new Error(`${url} has no jwks_uri`);
  return new URL(keys);
}

function isAboutToken(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
}

/**
 * Returns the keys of an issuer, fetched at the first use and cached. They throw a KildeError when the issuer does not
 * answer.
 */
export function createIssuerKeys(
  { issuer, jwksUrl }: Pick<TokenIssuer, "issuer" | "jwksUrl">,
  deps: IssuerKeysDeps,
): JWTVerifyGetKey {
  const fetch = restingFetch(deps);
  const options = {
    cooldownDuration: deps.cooldownMs,
    timeoutDuration: deps.timeoutMs,
    [customFetch]: fetch,
  };
  const keysAt = (url: URL): JWTVerifyGetKey => createRemoteJWKSet(url, options);
  let keys = jwksUrl === undefined ? null : keysAt(new URL(jwksUrl));
  return async (header, token) => {
    try {
      // Requests that arrive before the first is done repeat it: in a worker none may wait for the request of another.
      keys ??= keysAt(await discover(issuer, fetch));
      return await keys(header, token);
    } catch (error) {
      if (isAboutToken(error)) throw error;
      const detail = `The keys of ${issuer} could not be read: ${errorText(error)}`;
      throw new KildeError("issuer-unavailable", detail, {}, { cause: error });
    }
  };
}
