import type { Clock } from "../core/clock.ts";
import { errorText } from "../core/error-text.ts";

/** Most failures that are reported one by one per window. */
const MOST_REPORTED = 100;
/** The limit for standard error, which may have no reader. */
const MOST_PRINTED = 5;
const REPORT_WINDOW_MS = 10_000;
const PRINT_WINDOW_MS = 60_000;

/** Number of failures that were not reported one by one. `status().blocked` lists the blocked subjects. */
export class UnreportedFailuresError extends Error {
  override readonly name = "UnreportedFailuresError";
  readonly count: number;

  constructor(count: number) {
    super(
      `${count} further failures were not reported: status().blocked lists the subjects that are blocked`,
    );
    this.count = count;
  }
}

export interface FailureReportsOptions {
  /** Name of the consumer. */
  readonly name: string;
  readonly onError: ((error: unknown) => void) | undefined;
  readonly clock: Clock;
}

/**
 * Passes failures to `onError`, or prints them to standard error when there is none. Reports only some of many at
 * once, and then the number of the others.
 */
export function createFailureReports(options: FailureReportsOptions): (error: unknown) => void {
  const { name, onError, clock } = options;
  const most = onError === undefined ? MOST_PRINTED : MOST_REPORTED;
  const windowMs = onError === undefined ? PRINT_WINDOW_MS : REPORT_WINDOW_MS;
  let windowEndMs = Number.NEGATIVE_INFINITY;
  let reported = 0;
  let unreported = 0;

  const print = (error: unknown) =>
    console.error(`kilde: consumer ${JSON.stringify(name)}: ${errorText(error)}`);
  const report = (error: unknown) => {
    if (onError === undefined) {
      print(error);
      return;
    }
    try {
      onError(error);
    } catch (thrown) {
      print(error);
      print(`onError failed: ${errorText(thrown)}`);
    }
  };
  const reportUnreported = () => {
    if (unreported > 0) report(new UnreportedFailuresError(unreported));
    unreported = 0;
  };

  return (error) => {
    if (clock.monotonic() >= windowEndMs) {
      windowEndMs = clock.monotonic() + windowMs;
      reported = 0;
      reportUnreported();
    }
    reported += 1;
    if (reported <= most) {
      report(error);
      return;
    }
    unreported += 1;
  };
}
