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
  /** How often the position is reported to the server, in milliseconds. */
  readonly commitIntervalMs: number;
  /** How often to reconstitute, in milliseconds; null: by hand only. */
  readonly reconstituteEveryMs: number | null;
  readonly onReconstituted: (found: Reconstitution) => void;
}

/**
 * `idle`: it was not started; `catching-up`: there is more to read; `live`: it has what there is; `halted`: the feed was
 * retired, or it was restored and the consumer cannot undo what it handled (`error` says which).
 */
export type Phase = "idle" | "catching-up" | "live" | "halted";

/** The consumer of one feed. */
export interface Engine {
  readonly counts: Counts;
  readonly blocked: Blocked;
  phase(): Phase;
  position(): number | null;
  /** Position in the feed after which the consumer began; 0: at the beginning, or it is not prepared. */
  since(): number;
  committed(): number | null;
  /** What keeps it from going on; null: nothing. */
  error(): Error | null;
  /** Takes note that the server cannot be reached, until it answers again. */
  noteOutage(error: unknown): void;
  prepare(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
  receive(events: readonly ConsumerEvent[]): Promise<void>;
  /** Handles what a subject lacks as of now, of the events after the position at which the consumer began. */
  pull(subject: string): Promise<SubjectCursor | null>;
  ensure(subject: string, need: Need): Promise<EnsuredSubject | null>;
  reconstitute(options: ReconstituteOptions, signal: AbortSignal): Promise<Reconstitution>;
}
