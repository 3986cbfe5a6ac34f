import { type AddressRules, literalAddress } from "./address-rules.ts";

/** Longest URL of an endpoint, in characters. */
export const MOST_URL_LENGTH = 2_048;

/**
 * Describes the fault of an endpoint's URL; null for a valid one. It checks subscriptions when they are
 * written; each connection checks the addresses of a name.
 */
export function checkEndpoint(url: string, rules: AddressRules): string | null {
  if (url.length > MOST_URL_LENGTH) return `must be at most ${MOST_URL_LENGTH} characters`;
  if (!URL.canParse(url)) return "must be a URL";
  const { protocol, username, password, hostname } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") return "must be an http:// or https:// address";
  if (username !== "" || password !== "") {
    return "must not hold a user name or password: state an authorization header instead";
  }
  // The parser normalizes the many forms of 127.0.0.1.
  const address = literalAddress(hostname);
  const isInside =
    address === null
      ? /(^|\.)localhost\.?$/.test(hostname) && !rules.trusts(hostname)
      : !rules.permits(hostname, address);
  return isInside ? "must not be a private or special address, unless the server's settings allow it" : null;
}
