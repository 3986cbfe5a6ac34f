import type { BackoffOptions, Blocked } from "./blocked.ts";
import type { Counts } from "./counts.ts";
import type { EnsuredSubject, Need } from "./ensure.ts";
import type { FeedStart } from "./feed-position.ts";
import type { ReconstituteOptions } from "./reconstitute.ts";
import type { Reconstitution } from "./reconstitution.ts";
import type { SubjectCursor } from "./store.ts";
import type { Transport } from "./transport.ts";
import type { ConsumerEvent } from "./types.ts";

export interface EngineOptions {
  readonly transport: Transport;
  readonly from: FeedStart;
  readonly backoff: BackoffOptions;
  /** Most events of one transaction. */
  readonly batchEvents: number;
  /** Interval of reports of the position to the server, in milliseconds. */
  readonly commitIntervalMs: number;
  /** Interval of automatic reconstitutions, in milliseconds; null: none. */
  readonly reconstituteEveryMs: number | null;
  readonly onReconstituted: (found: Reconstitution) => void;
}

/**
 * `idle`: not started; `catching-up`: the feed has more events to read; `live`: the consumer is at the end of the
 * feed; `halted`: the feed was retired, or it was restored and the consumer cannot undo its handled events (`error`
 * shows the cause).
 */
export type Phase = "idle" | "catching-up" | "live" | "halted";

/** The consumer of one feed. */
export interface Engine {
  readonly counts: Counts;
  readonly blocked: Blocked;
  phase(): Phase;
  position(): number | null;
  /** Position in the feed after which the consumer started; 0: at the beginning, or not prepared. */
  since(): number;
  committed(): number | null;
  /** The error that keeps the consumer from continuing; null: none. */
  error(): Error | null;
  /** Records that the server is unreachable, until it answers again. */
  noteOutage(error: unknown): void;
  prepare(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
  receive(events: readonly ConsumerEvent[]): Promise<void>;
  /** Reads and handles the events of a subject up to now, starting after the position at which the consumer started. */
  pull(subject: string): Promise<SubjectCursor | null>;
  ensure(subject: string, need: Need): Promise<EnsuredSubject | null>;
  reconstitute(options: ReconstituteOptions, signal: AbortSignal): Promise<Reconstitution>;
}
