import { integerAt, type Row, textAt, textOrNullAt, integerOrNullAt } from "../storage/database.ts";

/** An API key as it is shown: without its token, of which only a digest is stored. Times in milliseconds since 1970. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  /** Text forms of its grants. */
  readonly grants: readonly string[];
  /** The consumer that it reads and commits as; null: none. */
  readonly consumer: string | null;
  readonly created: number;
  /** Null: never. */
  readonly expires: number | null;
  readonly revoked: number | null;
  /** Id of the key that replaces it; it is valid until it expires nevertheless. */
  readonly successor: string | null;
  /** When it was last used, to within some minutes; null: never. */
  readonly used: number | null;
}

/** Columns of a `KeyRecord`, in the order of `keyRecord`. */
export const KEY_COLUMNS = "id, name, grants, consumer, created, expires, revoked, successor, used";

export function keyRecord(row: Row): KeyRecord {
  return {
    id: textAt(row, 0),
    name: textAt(row, 1),
    // Written as JSON by this program.
    grants: JSON.parse(textAt(row, 2)) as string[],
    consumer: textOrNullAt(row, 3),
    created: integerAt(row, 4),
    expires: integerOrNullAt(row, 5),
    revoked: integerOrNullAt(row, 6),
    successor: textOrNullAt(row, 7),
    used: integerOrNullAt(row, 8),
  };
}

/** `rotated`: replaced, and valid until it expires. */
export type KeyStatus = "active" | "rotated" | "expired" | "revoked";

export function keyStatus(
  key: Pick<KeyRecord, "expires" | "revoked" | "successor">,
  nowMs: number,
): KeyStatus {
  if (key.revoked !== null) return "revoked";
  if (key.expires !== null && key.expires <= nowMs) return "expired";
  return key.successor === null ? "active" : "rotated";
}
