import type { ProblemDetail } from "../core/problem-members.ts";
import { nameFault } from "../core/names.ts";
import { parseGrant } from "./grant.ts";

/** The configuration of a key that is to be created. */
export interface NewKey {
  readonly name: string;
  /** Text forms. */
  readonly grants: readonly string[];
  /** Null: the key reads without a name. */
  readonly consumer: string | null;
  /** In milliseconds since 1970; null: never. */
  readonly expires: number | null;
}

const MAX_NAME_LENGTH = 100;
const MAX_GRANTS = 100;

/** All keys of a store are in the memory of each process. */
const MAX_GRANTS_LENGTH = 8_192;

/** A name has up to 4 bytes of UTF-8 for each character. */
const MAX_NAME_BYTES = 4 * MAX_NAME_LENGTH;

/** Names of principals with a token of an issuer begin with it, so that no key can pass for one. */
export const JWT_NAME_PREFIX = "jwt:";

/** Names of principals who signed in at an OpenID provider begin with it. */
export const OIDC_NAME_PREFIX = "oidc:";

function keyNameFault(name: string): string | null {
  if (Array.from(name).length > MAX_NAME_LENGTH) return `must be at most ${MAX_NAME_LENGTH} characters`;
  const reserved = [JWT_NAME_PREFIX, OIDC_NAME_PREFIX].find((prefix) => name.startsWith(prefix));
  if (reserved !== undefined) return `must not begin with "${reserved}"`;
  return nameFault(name, MAX_NAME_BYTES);
}

function grantsFaults(grants: readonly string[]): ProblemDetail[] {
  if (grants.length === 0) return [{ pointer: "/grants", detail: "must contain at least one grant" }];
  if (grants.length > MAX_GRANTS)
    return [{ pointer: "/grants", detail: `must contain at most ${MAX_GRANTS} grants` }];
  if (JSON.stringify(grants).length > MAX_GRANTS_LENGTH)
    return [{ pointer: "/grants", detail: `must be at most ${MAX_GRANTS_LENGTH} characters of JSON` }];
  return grants.flatMap((text, index) => {
    const parsed = parseGrant(text);
    return "fault" in parsed ? [{ pointer: `/grants/${index}`, detail: parsed.fault }] : [];
  });
}

/** Returns the fault of an expiry, in milliseconds since 1970; null: never. */
export function expiryFaults(expires: number | null, nowMs: number): readonly ProblemDetail[] {
  const isValid = expires === null || (Number.isSafeInteger(expires) && expires > nowMs);
  return isValid ? [] : [{ pointer: "/expires", detail: "must be in the future" }];
}

/** Returns the faults of a new key, with JSON pointers to its members. `consumerBytes`: longest name of a consumer. */
export function newKeyFaults(key: NewKey, nowMs: number, consumerBytes: number): readonly ProblemDetail[] {
  const faults: ProblemDetail[] = [];
  const inName = keyNameFault(key.name);
  if (inName !== null) faults.push({ pointer: "/name", detail: inName });
  faults.push(...grantsFaults(key.grants));
  const inConsumer = key.consumer === null ? null : nameFault(key.consumer, consumerBytes);
  if (inConsumer !== null) faults.push({ pointer: "/consumer", detail: inConsumer });
  return [...faults, ...expiryFaults(key.expires, nowMs)];
}
