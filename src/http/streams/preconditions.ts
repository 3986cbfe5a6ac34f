import { KildeError } from "../../core/errors.ts";
import type { ExpectedVersion } from "../../core/event.ts";
import { LOG_HEADER, statedIdentity } from "../log/log-identity.ts";

/**
 * An entity tag of a stream: the version, the identity of the log, and a suffix for the representation. Only the
 * version is required. A weak validator is accepted too: a version is exact, and a compressed answer carries it
 * weakly.
 */
const ENTITY_TAG = /^(?:W\/)?"(\d{1,16})(?:-([0-9a-f]{16})(?:-[^"]*)?)?"$/;

/** The state that a write was decided on, from its headers. */
export interface Precondition {
  /** Undefined: the headers state no version. */
  readonly expectedVersion: ExpectedVersion | undefined;
  /** Identity of the log; undefined: the headers state none. */
  readonly identity: string | undefined;
}

/** Returns the identity in `Kilde-Log` and in an entity tag. Throws a KildeError when they differ. */
function identityOf(headers: Headers, tagged: string | undefined): string | undefined {
  const stated = statedIdentity(headers);
  if (stated === undefined || tagged === undefined || stated === tagged) return stated ?? tagged;
  const detail = `names another identity than If-Match does (${tagged})`;
  throw new KildeError("invalid-parameter", `${LOG_HEADER}: ${detail}`, {
    errors: [{ parameter: LOG_HEADER, detail }],
  });
}

/**
 * Returns the precondition in the headers (RFC 9110 §13.1): `If-Match: "5-9f86d081884c7d65"`, `If-Match: "5"`,
 * `If-Match: *`, `If-None-Match: *`; and `Kilde-Log`.
 */
export function preconditionOf(headers: Headers): Precondition {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  const refuse = (parameter: string, detail: string) =>
    new KildeError("invalid-parameter", `${parameter}: ${detail}`, { errors: [{ parameter, detail }] });
  if (ifMatch !== null && ifNoneMatch !== null)
    throw refuse("If-Match", "cannot be combined with If-None-Match");
  if (ifNoneMatch !== null) {
    if (ifNoneMatch.trim() !== "*") throw refuse("If-None-Match", "must be * (the stream must not exist)");
    return { expectedVersion: 0, identity: statedIdentity(headers) };
  }
  if (ifMatch === null) return { expectedVersion: undefined, identity: statedIdentity(headers) };
  if (ifMatch.trim() === "*") return { expectedVersion: "exists", identity: statedIdentity(headers) };
  const [, version, tagged] = ENTITY_TAG.exec(ifMatch.trim()) ?? [];
  if (version === undefined) throw refuse("If-Match", 'must be * or one ETag of the stream, such as "5"');
  return { expectedVersion: Number(version), identity: identityOf(headers, tagged) };
}
