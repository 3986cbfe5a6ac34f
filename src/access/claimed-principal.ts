import { nameFault } from "../core/names.ts";
import { type Grant, parseGrant } from "./grant.ts";
import type { TokenClaims, TokenIssuer } from "./token-issuer.ts";

const MAX_NAME_BYTES = 1_024;

/** The functions of the configuration that map the claims of an issuer to a sender. */
export interface ClaimsMapping extends Pick<TokenIssuer, "issuer" | "grants" | "name" | "consumer"> {
  /** The setting that has the functions, for faults: `auth.issuers`. */
  readonly setting: string;
  /** Names begin with it, so that no key can pass for one. */
  readonly namePrefix: string;
  /** Longest name of a consumer, in bytes. */
  readonly consumerBytes: number;
}

/** The sender that the claims of an issuer describe. */
export interface ClaimedPrincipal {
  readonly name: string;
  readonly grants: readonly Grant[];
  readonly consumer: string | null;
}

/** A function of the configuration that fails: it fails the request, and the log shows it. */
function configurationFault(
  { setting, issuer }: ClaimsMapping,
  member: string,
  fault: string,
  cause?: unknown,
): Error {
  return new Error(`${setting}: ${member} of ${issuer} ${fault}`, { cause });
}

/** Calls a function of the configuration. */
function call<Result>(mapping: ClaimsMapping, member: string, called: () => Result): Result {
  try {
    return called();
  } catch (error) {
    throw configurationFault(mapping, member, "threw an error", error);
  }
}

function grantsOf(mapping: ClaimsMapping, claims: TokenClaims): readonly Grant[] {
  const texts: unknown = call(mapping, "grants", () => mapping.grants(claims));
  if (!Array.isArray(texts)) throw configurationFault(mapping, "grants", "must return a list of grants");
  return texts.map((text: unknown) => {
    if (typeof text !== "string") throw configurationFault(mapping, "grants", "must return texts");
    const parsed = parseGrant(text);
    if (!("fault" in parsed)) return parsed;
    throw configurationFault(mapping, "grants", `returned ${JSON.stringify(text)}, which ${parsed.fault}`);
  });
}

function checkedName(mapping: ClaimsMapping, member: string, name: unknown, maxBytes: number): string {
  const fault = typeof name === "string" ? nameFault(name, maxBytes) : "is no text";
  if (fault === null) return name as string;
  throw configurationFault(mapping, member, `returned a name that ${fault}`);
}

/** The scheme of every issuer, except on this machine. */
const SCHEME = /^https?:\/\//;

/** Null: the claims have no subject to name the sender by. */
function nameOf(mapping: ClaimsMapping, claims: TokenClaims): string | null {
  const { name, namePrefix, issuer } = mapping;
  if (name !== undefined) {
    const chosen = call(mapping, "name", () => name(claims));
    return namePrefix + checkedName(mapping, "name", chosen, MAX_NAME_BYTES);
  }
  const { sub } = claims;
  if (typeof sub !== "string" || nameFault(sub, MAX_NAME_BYTES) !== null) return null;
  // The whole issuer, since the clusters of a cloud share one host. It cannot contain the character between the two.
  return `${namePrefix}${issuer.replace(SCHEME, "")}#${sub}`;
}

function consumerOf(mapping: ClaimsMapping, claims: TokenClaims): string | null {
  const { consumer, consumerBytes } = mapping;
  const name = consumer === undefined ? null : call(mapping, "consumer", () => consumer(claims));
  return name === null ? null : checkedName(mapping, "consumer", name, consumerBytes);
}

/**
 * Returns the sender that verified claims describe; null: they name nobody. Throws an Error when a function of the
 * configuration fails.
 */
export function claimedPrincipal(mapping: ClaimsMapping, claims: TokenClaims): ClaimedPrincipal | null {
  const name = nameOf(mapping, claims);
  if (name === null) return null;
  return { name, grants: grantsOf(mapping, claims), consumer: consumerOf(mapping, claims) };
}
