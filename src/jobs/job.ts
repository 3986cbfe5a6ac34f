/*
 * A job is work that continues beside requests: projecting, delivering, sweeping, clearing. A server runs a job in a
 * loop (`loop.ts`), a worker in slices after a request or on a schedule (`slices.ts`). The state of a job is in the
 * database after each of its writes, so a run may be cut off anywhere, and any process continues the work.
 */

/** The time that one run of a job may take. */
export interface Slice {
  /** No step begins after this time of the monotonic clock that the job was created with. */
  readonly deadline: number;
  /** Aborts at the deadline at the latest, and earlier when the runtime grants no more. */
  readonly signal: AbortSignal;
}

/** `worked`: the job did something, so that other jobs may have work now. `idle`: nothing can be done now. */
export type SliceOutcome = "worked" | "idle";

export interface Job {
  /** Its name in the log. */
  readonly name: string;
  /** Works until nothing is left to do or the slice ends. Rejects when storage fails. */
  run(slice: Slice): Promise<SliceOutcome>;
}
