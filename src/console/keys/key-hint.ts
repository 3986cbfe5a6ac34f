import type { ApiKey } from "../../client/key-types.ts";

/** Days after the last use, or after the creation, until a key counts as unused. */
const UNUSED_DAYS = 90;
/** Days before its end when a key should be rotated. */
const ENDING_DAYS = 14;
const DAY_MS = 86_400_000;

/** A reason to look at a key that is valid; null: none. */
export function keyHint({ status, used, created, expires }: ApiKey, nowMs: number): string | null {
  if (status !== "active") return null;
  if (expires !== null && Date.parse(expires) - nowMs < ENDING_DAYS * DAY_MS) return "Ends soon: rotate it.";
  if (nowMs - Date.parse(used ?? created) > UNUSED_DAYS * DAY_MS)
    return `Not used for ${UNUSED_DAYS} days: revoke it if nobody needs it.`;
  return null;
}
