import type { PendingAppend } from "./pending-appends.ts";

/** The outcome of a write: its error, or the function that answers its callers. */
type Landing = { readonly error: unknown } | { readonly answer: () => void };

/** A group whose write was given to the database. */
export interface Flight {
  readonly group: readonly PendingAppend[];
  /** Never rejects. */
  readonly done: Promise<Landing>;
}
