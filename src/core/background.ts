/**
 * Background work in runtimes where no process stays up. The runtime grants time in slices. Each write of the work is
 * stored in the database, so a slice may be cut off anywhere, and the next slice, in any process, continues from
 * there.
 */

export interface Slice {
  /** Time to stop, on the monotonic clock that the work was created with. */
  readonly deadline: number;
  /** Aborts at the deadline, or earlier when the runtime grants no more time. */
  readonly signal: AbortSignal;
}

/** `worked`: the slice changed something, so other work may have become due. `idle`: nothing is due. */
export type SliceOutcome = "worked" | "idle";

export interface BackgroundWork {
  /** Name in the log. */
  readonly name: string;
  /** Works until nothing is due or the slice ends. Rejects when storage fails. */
  runSlice(slice: Slice): Promise<SliceOutcome>;
}
