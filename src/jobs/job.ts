/*
 * A job is work that continues beside requests: projecting, delivering, sweeping, clearing, keeping a thread running. A
 * server runs a job in a loop (`loop.ts`), a worker in slices after a request or on a schedule (`slices.ts`). The
 * database holds the state of a job after each of its writes, so a run may be cut off anywhere, and the next run, in any
 * process, continues from there.
 */

/** The time that one run of a job may take. */
export interface Slice {
  /**
   * After this time of the monotonic clock that the job was created with, the job begins no further step. A loop sets it
   * to the start of the run, so that the job takes one step.
   */
  readonly deadline: number;
  /** Aborts at the deadline of a worker's slice, when the runtime grants no more calls, or when a loop closes. */
  readonly signal: AbortSignal;
}

/** The result of a run, and with it when the job has to run next. */
export type JobOutcome =
  /** The job changed something: it may have more to do, and so may other jobs. */
  | "progressed"
  /** Nothing can be done before the job is woken. */
  | "idle"
  /** The job has ended. */
  | "over"
  /** The job continues after a rest in milliseconds, which no wake-up shortens. */
  | { readonly restMs: number }
  /** The job continues when the promise resolves, or earlier when it is woken. The promise resolves when the signal aborts. */
  | { readonly until: (signal: AbortSignal) => Promise<unknown> };

export interface Job {
  /** Its name in the log. */
  readonly name: string;
  /** Works until nothing is left to do or the slice ends. Rejects when storage fails; the job is then run again later. */
  run(slice: Slice): Promise<JobOutcome>;
}
