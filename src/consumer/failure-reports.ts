import type { Clock } from "../core/clock.ts";
import { errorText } from "../core/error-text.ts";

/** Most failures of one window that are reported one by one. */
const MOST_REPORTED = 100;
/** The same for standard error, which nobody may read. */
const MOST_PRINTED = 5;
const REPORT_WINDOW_MS = 10_000;
const PRINT_WINDOW_MS = 60_000;

/** So many failures were not reported, since there were too many at once. `status().blocked` lists what is blocked. */
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
 * Gives failures to `onError`, or prints them on standard error where there is none. Of many at once only some are
 * reported, and then their number.
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
