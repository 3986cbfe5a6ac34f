import { DeadlineError } from "../client/deadline.ts";
import type { CliContext } from "./context.ts";

/** At most one line per this time: an outage may last for hours. */
const QUIET_MS = 10_000;

/** Reports an outage of the server and its retries on standard error, at intervals. */
export function outageNotes({
  stderr,
  clock,
}: Pick<CliContext, "stderr" | "clock">): (error: unknown) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (clock.monotonic() - lastMs < QUIET_MS) return;
    lastMs = clock.monotonic();
    const cause = error instanceof Error && error.cause instanceof DeadlineError ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    void stderr.write(`Connection lost (${reason}); connecting again.\n`);
  };
}
