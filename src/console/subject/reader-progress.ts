import type { Subscription } from "../../client/subscription-types.ts";
import type { ConsumerInfo } from "../../client/types.ts";
import type { AlignedEvent } from "./alignment.ts";

/** How far a reader is with one subject of a log. */
export type SubjectProgress =
  | { readonly kind: "complete"; readonly version: number }
  /** It lacks the latest events. */
  | {
      readonly kind: "behind";
      /** Last version it has; null: before all that are known. */
      readonly version: number | null;
      readonly latest: number;
    }
  /** It cannot process an event of the subject, and holds back the later ones. */
  | {
      readonly kind: "blocked";
      readonly version: number | null;
      readonly latest: number;
      readonly message: string;
    }
  /** It passed the latest events, but has blocked subjects that it does not name, of which this may be one. */
  | { readonly kind: "uncertain"; readonly version: number; readonly others: number }
  /** The log has no event of the subject. */
  | { readonly kind: "nothing" };

type ReadEvents = readonly Pick<AlignedEvent, "position" | "version">[];

/**
 * Returns how far a reader is that has everything up to a position.
 *
 * @param events The latest events of the subject, in any order.
 */
function progressUpTo(position: number, events: ReadEvents): SubjectProgress {
  if (events.length === 0) return { kind: "nothing" };
  const latest = Math.max(...events.map(({ version }) => version));
  const known = events.filter((event) => event.position <= position).map(({ version }) => version);
  const version = known.length === 0 ? null : Math.max(...known);
  return version === latest ? { kind: "complete", version } : { kind: "behind", version, latest };
}

/** Returns how far a consumer is. Of several blocked subjects, a consumer reports the failure of one. */
export function consumerProgress(
  { committed, sent, blocked, failure }: Pick<ConsumerInfo, "committed" | "sent" | "blocked" | "failure">,
  subject: string,
  events: ReadEvents,
): SubjectProgress {
  const progress = progressUpTo(committed ?? sent ?? 0, events);
  if (progress.kind === "nothing") return progress;
  const latest = progress.kind === "behind" ? progress.latest : (progress.version ?? 0);
  if (failure !== null && failure.subject === subject)
    return { kind: "blocked", version: failure.version, latest, message: failure.message };
  const others = failure === null ? blocked : blocked - 1;
  return progress.kind === "complete" && others > 0
    ? { kind: "uncertain", version: latest, others }
    : progress;
}

/** The failure that blocks a subject of a subscription. */
export interface RefusedEvent {
  readonly position: number;
  readonly error: string;
}

/** Returns how far the receiver of a subscription is. */
export function subscriptionProgress(
  { cursor }: Pick<Subscription, "cursor">,
  blocked: RefusedEvent | null,
  events: ReadEvents,
): SubjectProgress {
  if (blocked === null) return progressUpTo(cursor, events);
  const latest = Math.max(0, ...events.map(({ version }) => version));
  const version = events.find(({ position }) => position === blocked.position)?.version ?? null;
  return { kind: "blocked", version, latest, message: blocked.error };
}
