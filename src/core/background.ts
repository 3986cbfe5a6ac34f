/*
 * Work that goes on beside requests, where no process stays up to do it: a slice at a time, whenever the runtime
 * grants some time. What is done is in the database after each of its writes, so a slice may be cut off anywhere,
 * and the next one, in whichever process, goes on from there.
 */

export interface Slice {
  /** When to stop, by the monotonic clock that the work was made with. */
  readonly deadline: number;
  /** Aborts at the deadline at the latest, and earlier when the runtime will grant no more. */
  readonly signal: AbortSignal;
}

/** `worked`: something was done, and others may now have something to do. `idle`: there is nothing for it to do now. */
export type SliceOutcome = "worked" | "idle";

export interface BackgroundWork {
  /** What it is called in the log. */
  readonly name: string;
  /** Does what there is to do, until nothing is left or the slice ends. Rejects when storage fails. */
  runSlice(slice: Slice): Promise<SliceOutcome>;
}
