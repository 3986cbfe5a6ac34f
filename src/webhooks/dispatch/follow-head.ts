import type { Clock } from "../../core/clock.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { renewedError } from "../../storage/failures.ts";

export interface FollowHeadDeps {
  readonly source: Pick<LogReader, "name" | "passed" | "knownIdentity">;
  readonly clock: Clock;
  /** Identity of the history whose head is followed. */
  readonly identity: string;
  /** Takes over a later head; returns for how long no other one is needed, in milliseconds. */
  readonly onHead: (head: number) => number;
}

/** Follows the head of a log from a position, until the signal aborts. Rejects when the log has another identity. */
export async function followHead(deps: FollowHeadDeps, from: number, closed: AbortSignal): Promise<void> {
  const { source, clock, identity, onHead } = deps;
  let head = from;
  while (!closed.aborted) {
    head = Math.max(head, await source.passed(head, closed));
    if (source.knownIdentity() !== identity) throw renewedError(source.name);
    const waitMs = onHead(head);
    if (waitMs > 0) await clock.sleep(waitMs, closed);
  }
}
