import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

import { logs, subjects } from "../log/schema.ts";

/** What is delivered where, and how far it is. There is no queue: what is to be delivered is in the log. */
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
  /** Raised when what is configured changes; whoever dispatches reads it anew. */
  revision: integer().notNull().default(0),
  /** Raised when somebody else moves what is delivered; whoever dispatches begins anew from what is stored. */
  epoch: integer().notNull().default(0),
  status: text({ enum: ["active", "paused"] })
    .notNull()
    .default("active"),
  /** Why it is paused. */
  reason: text(),
  /** Since when it has its status, RFC 3339. */
  since: text().notNull(),
  /** Everything up to this position is acknowledged, or stands in a row of `subscription_subjects`, or in `batch`. */
  cursor: integer().notNull(),
  /** JSON of a `Rewind`, while one is under way. */
  rewind: text(),
  /** JSON of a `FrozenBatch`: the batch that is being delivered, whose bytes must not change. */
  batch: text(),
  /** JSON of `EndpointTrouble`, while the endpoint as a whole is down. */
  trouble: text(),
});

/** Subjects that are not where the cursor is: behind it, since an event of theirs is not acknowledged yet. */
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
    /** Where a redelivery of a range ends, and the version to go on from then. */
    stop: integer(),
    resume: integer(),
    /** Last version of the batch that is being delivered, whose bytes must not change. */
    frozen: integer(),
    attempts: integer().notNull().default(0),
    /** When it is tried again, in milliseconds since 1970; null: not by itself. */
    due: integer(),
    /** How long that was when it was stored, in milliseconds: a clock that was ahead then delays it no further. */
    wait: integer(),
    /** Why the last attempt failed; null: it is not known to. */
    error: text(),
    /** Since when it fails, RFC 3339. */
    since: text(),
    /** 1 for a subject that was redelivered before the rewind came by it. */
    ahead: integer().notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.subscription, table.subject] }),
    index("subscription_subjects_due").on(table.subscription, table.due),
  ],
);

/** Events that somebody decided not to deliver. */
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
    /** When, RFC 3339. */
    time: text().notNull(),
    attempts: integer().notNull(),
    error: text(),
  },
  (table) => [primaryKey({ columns: [table.subscription, table.subject, table.version] })],
);

/** The latest attempts to deliver. */
export const subscriptionAttempts = sqliteTable("subscription_attempts", {
  subscription: text()
    .primaryKey()
    .references(() => subscriptions.id),
  /** JSON of `Attempt[]`, bounded. */
  attempts: text().notNull(),
});
