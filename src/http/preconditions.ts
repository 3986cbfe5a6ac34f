import { KildeError } from "../core/errors.ts";
import type { ExpectedVersion } from "../core/event.ts";

/** A weak validator is taken as well: a version is exact, and a compressed answer carries it weakly. */
const ENTITY_TAG = /^(?:W\/)?"(\d{1,16})"$/;

/**
 * The expected version that the headers state (RFC 9110 §13.1): `If-Match: "5"`, `If-Match: *`,
 * `If-None-Match: *`; undefined when they state none.
 */
export function preconditionOf(headers: Headers): ExpectedVersion | undefined {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  const refuse = (parameter: string, detail: string) =>
    new KildeError("invalid-parameter", `${parameter}: ${detail}`, { errors: [{ parameter, detail }] });
  if (ifMatch !== null && ifNoneMatch !== null)
    throw refuse("If-Match", "cannot be combined with If-None-Match");
  if (ifNoneMatch !== null) {
    if (ifNoneMatch.trim() !== "*") throw refuse("If-None-Match", "must be * (the stream must not exist)");
    return 0;
  }
  if (ifMatch === null) return undefined;
  if (ifMatch.trim() === "*") return "exists";
  const version = ENTITY_TAG.exec(ifMatch.trim())?.[1];
  if (version === undefined) throw refuse("If-Match", 'must be * or one version in quotes, such as "5"');
  return Number(version);
}
