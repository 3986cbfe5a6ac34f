/** The readers and publishers that can have an objective. */
export type ObjectiveKind = "consumer" | "feed" | "subscription";

/** The longest lag and silence of a consumer, feed or subscription that its team accepts. */
export interface Objective {
  readonly kind: ObjectiveKind;
  /** Name of the consumer, path of the feed, or id of the subscription. */
  readonly name: string;
  /** Path of the consumer's log; null: every log that a consumer of this name has read. */
  readonly log: string | null;
  /** Null: no limit. */
  readonly lagSeconds: number | null;
  /** Null: no limit. */
  readonly silentSeconds: number | null;
  /** Whom an alarm is for, such as `#team-cards`; null: not stated. */
  readonly contact: string | null;
}

/** How far a consumer, feed or subscription is, as the database shows it. */
export interface Measurement {
  /** Name of the objective. */
  readonly name: string;
  /** Path of the consumer, feed or subscription. */
  readonly resource: string;
  /**
   * When the oldest event was recorded that is still to be handled, projected or delivered, RFC 3339; null: there is none.
   * Undefined: unknown, as for a feed that is being built.
   */
  readonly oldest: string | null | undefined;
  /** The last read or commit, published event, or delivery, RFC 3339; undefined: unknown. */
  readonly active: string | undefined;
}
