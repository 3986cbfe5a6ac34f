import type { Clock } from "../core/clock.ts";
import { errorText } from "../core/error-text.ts";
import type { Job, JobOutcome } from "./job.ts";

/** The last runs of a job, all of which failed. */
export interface JobFailure {
  /** Number of runs that failed in a row. */
  readonly attempts: number;
  /** Time of the first of them, RFC 3339. */
  readonly since: string;
  /** The error of the last one. */
  readonly error: string;
  /** Delay before the next run, in milliseconds. */
  readonly retryMs: number;
}

/** Delays after failed runs, in milliseconds. */
export interface Backoff {
  /** The first delay; it doubles with each failure in a row. */
  readonly firstMs: number;
  /** The longest delay. */
  readonly lastMs: number;
  /** A run of this length was stable: its failure is the first of a row. Default: only a run that succeeds ends a row. */
  readonly stableMs?: number;
}

export interface LoopOptions {
  readonly clock: Clock;
  /** A number from 0 to 1 that shortens each delay, so that processes on one database do not retry at the same time. */
  readonly chance: () => number;
  readonly backoff: Backoff;
  /** Called after each run that failed. */
  readonly onFailure: (error: unknown, failure: JobFailure) => void;
}

/** A job that runs in this process until it is over or closed. */
export interface RunningJob {
  /** Runs the job as soon as its current run and rest have ended. A delay after a failure is a rest. */
  wake(): void;
  /** Omits the delay if the current run fails, and ends it if the run has failed: the cause may be gone. */
  retry(): void;
  /** Null: the last run succeeded. */
  failure(): JobFailure | null;
  /** Resolves when no run follows. */
  readonly ended: Promise<void>;
  /** Aborts the run in progress, and resolves when it has ended. */
  close(): Promise<void>;
}

/** A delay is shortened by at most this part. */
const JITTER = 0.25;

/** Adds a failed run to those before it in a row; null: there are none. */
function nextFailure(
  last: JobFailure | null,
  error: unknown,
  { clock, chance, backoff }: LoopOptions,
): JobFailure {
  const { attempts, since } = last ?? { attempts: 0, since: new Date(clock.now()).toISOString() };
  const longestMs = Math.min(backoff.lastMs, backoff.firstMs * 2 ** attempts);
  const retryMs = Math.round(longestMs * (1 - JITTER * chance()));
  return { attempts: attempts + 1, since, error: errorText(error), retryMs };
}

/** Runs a job at once, and again when its outcome or a wake-up asks for it. Retries after failures, with longer and longer delays. */
export function startLoop(job: Job, options: LoopOptions): RunningJob {
  const { clock, backoff } = options;
  const closing = new AbortController();
  const { signal } = closing;
  let failure: JobFailure | null = null;
  let isWoken = false;
  let endWait = () => {};
  /** Aborts when the current run is to be retried at once, if it fails. */
  let retrying = new AbortController();

  /** Waits until the loop is woken or closes, or until the promise resolves. */
  const wait = async (until?: (signal: AbortSignal) => Promise<unknown>) => {
    if (isWoken || signal.aborted) return;
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => {
      endWait = resolve;
    });
    try {
      await (until === undefined
        ? woken
        : Promise.race([woken, until(AbortSignal.any([signal, over.signal]))]));
    } finally {
      over.abort();
    }
  };

  /** Waits as the outcome asks; false when the job is over. */
  const rest = async (outcome: JobOutcome): Promise<boolean> => {
    if (outcome === "over") return false;
    if (outcome === "idle") await wait();
    else if (outcome === "progressed") await clock.yield();
    else if ("until" in outcome) await wait(outcome.until);
    else if (outcome.restMs > 0) await clock.sleep(outcome.restMs, signal);
    else await clock.yield();
    return true;
  };

  /** Waits after a failed run that began at a time of the monotonic clock. */
  const delay = async (error: unknown, beganMs: number) => {
    const isStable = clock.monotonic() - beganMs >= (backoff.stableMs ?? Number.POSITIVE_INFINITY);
    failure = nextFailure(isStable ? null : failure, error, options);
    options.onFailure(error, failure);
    await clock.sleep(failure.retryMs, AbortSignal.any([signal, retrying.signal]));
  };

  /** Runs the job once, and waits; false when the job is over. */
  const runOnce = async (): Promise<boolean> => {
    isWoken = false;
    retrying = new AbortController();
    const beganMs = clock.monotonic();
    try {
      const outcome = await job.run({ deadline: beganMs, signal });
      failure = null;
      return await rest(outcome);
    } catch (error) {
      await delay(error, beganMs);
      return true;
    }
  };

  const run = async () => {
    while (!signal.aborted && (await runOnce()));
  };
  const ended = run();

  return {
    wake() {
      isWoken = true;
      endWait();
    },
    retry: () => retrying.abort(),
    failure: () => failure,
    ended,
    close() {
      closing.abort();
      endWait();
      return ended;
    },
  };
}
