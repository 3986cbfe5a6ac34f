import { errorText } from "../core/error-text.ts";
import type { HttpTransport } from "./http-transport.ts";

/** The bearer token of requests: a text, or a function that is called for each attempt at a request. */
export type TokenSource = string | (() => string | Promise<string>);

/** RFC 6750 §2.1. Another text would be refused by `fetch` with an error that contains it. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/** The function that returns the token failed. The request was not sent; a later attempt may succeed. */
export class TokenFailure extends Error {
  override readonly name = "TokenFailure";

  constructor(cause: unknown) {
    super(`the function \`token\` failed: ${errorText(cause)}`, { cause });
  }
}

/** A token that no attempt can send. The message does not contain the token. */
export class InvalidTokenError extends TypeError {}

/** Returns the token, or throws an InvalidTokenError. `source`: its origin, in the message. */
export function checkedToken(token: unknown, source: string): string {
  if (typeof token !== "string") throw new InvalidTokenError(`${source} is ${typeof token}, and not a text`);
  if (token === "") throw new InvalidTokenError(`${source} is empty`);
  if (TOKEN.test(token)) return token;
  throw new InvalidTokenError(
    `${source} is not a bearer token: it contains a character other than letters, digits and -._~+/=`,
  );
}

async function currentToken(source: TokenSource): Promise<string> {
  if (typeof source === "string") return source;
  let token: unknown;
  try {
    token = await source();
  } catch (error) {
    throw new TokenFailure(error);
  }
  return checkedToken(token, "The result of the function `token`");
}

function authorized(init: RequestInit, token: string): RequestInit {
  return {
    ...init,
    headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` },
  };
}

/**
 * Returns a transport that sends the token. After a 401 it asks the function for the token again, and sends the request
 * once more if the token is another one: a server that refuses a credential has not executed the request. The
 * transport drops the token at a redirect to another origin.
 */
export function fetchWithToken(fetch: HttpTransport, source: TokenSource): HttpTransport {
  return async (url, init, cancellation) => {
    const token = await currentToken(source);
    const response = await fetch(url, authorized(init, token), cancellation);
    if (response.status !== 401 || typeof source === "string") return response;
    const next = await currentToken(source);
    if (next === token) return response;
    await response.body?.cancel();
    return fetch(url, authorized(init, next), cancellation);
  };
}
