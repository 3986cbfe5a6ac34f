import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

import { logs, subjects } from "../log/schema.ts";

/**
 * Which log is delivered to which endpoint, and how far the delivery has come. There is no queue: pending events are in
 * the log.
 */
export const subscriptions = sqliteTable("subscriptions", {
  id: text().primaryKey(),
  log: integer()
    .notNull()
    .references(() => logs.id),
  /** JSON of a `SubscriptionConfig`. */
  config: text().notNull(),
  /** JSON of `StoredSecrets`. */
  secrets: text().notNull(),
  created: text().notNull(),
  /** Raised by each change of the configuration; the dispatcher then reads the subscription again. */
  revision: integer().notNull().default(0),
  /** Raised by each redelivery, retry and skip on request; the dispatcher then starts again from the stored state. */
  epoch: integer().notNull().default(0),
  status: text({ enum: ["active", "paused"] })
    .notNull()
    .default("active"),
  /** Reason of a pause. */
  reason: text(),
  /** Start of the current status, RFC 3339. */
  since: text().notNull(),
  /**
   * Every event up to this position is acknowledged, or is covered by a row of `subscription_subjects`, or by `batch`.
   */
  cursor: integer().notNull(),
  /** JSON of a `Rewind`, while one is in progress. */
  rewind: text(),
  /** JSON of a `FrozenBatch`: the batch that is being delivered, whose bytes must not change. */
  batch: text(),
  /** JSON of `EndpointTrouble`, while the endpoint as a whole is down. */
  trouble: text(),
  /** JSON of a `SubscriptionCreator`; null: the store was open, or the embedding program created it. */
  creator: text(),
  /** JSON of a `SubjectTally`: how many subjects were blocked and healed in the current minute; null: none. */
  tally: text(),
});

/** Subjects behind the cursor, because one of their events is not acknowledged yet. */
export const subscriptionSubjects = sqliteTable(
  "subscription_subjects",
  {
    subscription: text()
      .notNull()
      .references(() => subscriptions.id),
    subject: integer()
      .notNull()
      .references(() => subjects.id),
    /** The first version that is not acknowledged. */
    next: integer().notNull(),
    /** Last version of a redelivered range, and the version to continue with after it. */
    stop: integer(),
    resume: integer(),
    /** Last version of the batch that is being delivered, whose bytes must not change. */
    frozen: integer(),
    attempts: integer().notNull().default(0),
    /** When the next attempt is due, in milliseconds since 1970; null: only on request. */
    due: integer(),
    /**
     * The wait until `due` when it was stored, in milliseconds: a clock that was ahead then delays the attempt no
     * further.
     */
    wait: integer(),
    /** Error of the last attempt; null: no failure is known. */
    error: text(),
    /** Start of the failure, RFC 3339. */
    since: text(),
    /** 1 for a subject that was redelivered before the rewind reached it. */
    ahead: integer().notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.subscription, table.subject] }),
    index("subscription_subjects_due").on(table.subscription, table.due),
  ],
);

/** Events that an operator decided not to deliver. */
export const subscriptionSkips = sqliteTable(
  "subscription_skips",
  {
    subscription: text()
      .notNull()
      .references(() => subscriptions.id),
    subject: integer()
      .notNull()
      .references(() => subjects.id),
    version: integer().notNull(),
    /** When it was skipped, RFC 3339. */
    time: text().notNull(),
    attempts: integer().notNull(),
    error: text(),
  },
  (table) => [primaryKey({ columns: [table.subscription, table.subject, table.version] })],
);

/** The latest delivery attempts. */
export const subscriptionAttempts = sqliteTable("subscription_attempts", {
  subscription: text()
    .primaryKey()
    .references(() => subscriptions.id),
  /** JSON of `AttemptRecord[]`, bounded. */
  attempts: text().notNull(),
});

/** Attempts with their contents, of subscriptions that keep them. A trigger on `subjects` removes contents with erased events. */
export const keptAttempts = sqliteTable(
  "kept_attempts",
  {
    /** Grows with time. */
    id: integer().primaryKey(),
    subscription: text()
      .notNull()
      .references(() => subscriptions.id),
    /** 1: the endpoint did not acknowledge it. */
    failed: integer().notNull(),
    /** The only subject; null: none, or several. */
    subject: integer(),
    /** JSON of `KeptSubject[]`. */
    subjects: text().notNull(),
    /** When it ended, in milliseconds since 1970. */
    ended: integer().notNull(),
    /** In milliseconds. */
    duration: integer().notNull(),
    /** `webhook-id` */
    webhook: text().notNull(),
    /** Name of the only subject. */
    name: text(),
    /** JSON of the positions of its events. */
    positions: text().notNull(),
    /** Prefix of all of its subjects. */
    prefix: text().notNull(),
    /** Status of the answer; null: none. */
    status: integer(),
    error: text(),
    url: text().notNull(),
    /** JSON of the headers, without credentials. */
    headers: text().notNull(),
    /** Beginning of the request; null: it had too many events, or they were erased. */
    body: text(),
    /** Beginning of the answer. */
    answer: text(),
  },
  (table) => [
    index("kept_attempts_outcome").on(table.subscription, table.failed, table.id),
    index("kept_attempts_subject").on(table.subject),
  ],
);

/** The attempts of several subjects that have contents, by subject. Triggers on `kept_attempts` write it. */
export const keptAttemptSubjects = sqliteTable(
  "kept_attempt_subjects",
  {
    subject: integer().notNull(),
    attempt: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.subject, table.attempt] })],
);
