import { KildeError, type ProblemCode } from "../core/errors.ts";
import type { ProblemDetail } from "../core/problem-members.ts";
import type { KeyCreation, KeyRevocation, KeyRotation } from "./keys.ts";
import { type KeyRecord, keyStatus } from "./key-record.ts";

function timeText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** Returns a key as JSON has it, with its times as texts. */
export function keyJson(record: KeyRecord, nowMs: number) {
  const { id, name, grants, consumer, created, expires, revoked, successor, used } = record;
  return {
    key: id,
    name,
    status: keyStatus(record, nowMs),
    grants,
    consumer,
    created: new Date(created).toISOString(),
    expires: timeText(expires),
    revoked: timeText(revoked),
    successor,
    used: timeText(used),
  };
}

type RefusedOutcome = Exclude<
  KeyCreation | KeyRotation | KeyRevocation,
  { readonly outcome: "created" | "rotated" | "revoked" | "already-revoked" }
>;

/** Returns the faults with the texts of the grants that they are about. */
function namedFaults(errors: readonly ProblemDetail[], grants: readonly string[]): ProblemDetail[] {
  return errors.map((error) => {
    const grant = grants[Number(/^\/grants\/(\d+)$/.exec(error.pointer ?? "")?.[1])];
    return grant === undefined ? error : { ...error, detail: `${JSON.stringify(grant)} ${error.detail}` };
  });
}

function refusal(result: RefusedOutcome, subject: string, grants: readonly string[]): KildeError {
  const fail = (code: ProblemCode, detail: string) => new KildeError(code, detail);
  switch (result.outcome) {
    case "invalid": {
      const errors = namedFaults(result.errors, grants);
      return new KildeError("invalid-body", "The key is not valid", { errors });
    }
    case "name-taken":
      return fail("key-name-taken", `The key ${result.id} has the name ${JSON.stringify(subject)}`);
    case "too-many":
      return new KildeError("limit-exceeded", `There are ${result.limit} keys already`, { limit: "keys" });
    case "not-found":
      return fail("key-not-found", `There is no key ${JSON.stringify(subject)}`);
    case "ended":
      return fail(
        "key-ended",
        `The key ${subject} is ${result.key.successor === null ? "ended" : "rotated"} already`,
      );
  }
}

/** Returns a new key with its token. Throws a KildeError when it could not be created. `key`: the requested one. */
export function issuedKeyJson(
  result: KeyCreation | KeyRotation,
  key: { readonly subject: string; readonly grants: readonly string[] },
  nowMs: number,
) {
  if (result.outcome !== "created" && result.outcome !== "rotated")
    throw refusal(result, key.subject, key.grants);
  return { ...keyJson(result.key, nowMs), token: result.token };
}

/** Returns a revoked key. Throws a KildeError when there is none. */
export function revokedKeyJson(result: KeyRevocation, id: string, nowMs: number) {
  if (result.outcome === "not-found") throw refusal(result, id, []);
  return keyJson(result.key, nowMs);
}

/** The error for the id of a key that does not exist. */
export function keyNotFound(id: string): KildeError {
  return refusal({ outcome: "not-found" }, id, []);
}
