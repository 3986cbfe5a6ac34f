import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** A log: the event log (id 0), a version of a feed, or the log of administration. */
export const logs = sqliteTable("logs", {
  id: integer().primaryKey(),
  /** Path of the log on the wire, and the `source` of its events: `/events`. */
  name: text().notNull().unique(),
  /** Position of the last event ever appended; 0 when there is none. Only grows. */
  head: integer().notNull().default(0),
  /** Recorded time of the last event. Only grows, whatever the clock does. */
  recorded: text().notNull().default(""),
  /** Raised by each truncation and erasure: processes that hold events in memory compare it, and discard them. */
  removals: integer().notNull().default(0),
  /**
   * Names the history that the log holds: 16 random lowercase hex digits, given to a new log by the trigger
   * `logs_identity`. A restore gives the log another one, because its positions then hold other events.
   */
  identity: text().notNull().default(""),
  /**
   * Events up to this position were stored by a version of Kilde that took `data` byte for byte: it may span lines, or be
   * an empty text where there is none. 0 for logs that are newer.
   */
  verbatimUntil: integer("verbatim_until").notNull().default(0),
});

/** The former identities of each log. */
export const logLineage = sqliteTable(
  "log_lineage",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    identity: text().notNull(),
    /** Up to this position the log holds the same events as it did under that identity; never beyond its head. */
    parted: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.log, table.identity] })],
);

/**
 * The entities a log has events about, each with a number so that events need not repeat the name.
 * Neither version nor position stands here: they are those of the subject's last event, which is never
 * deleted, so they cannot disagree with the events.
 */
export const subjects = sqliteTable(
  "subjects",
  {
    id: integer().primaryKey(),
    log: integer()
      .notNull()
      .references(() => logs.id),
    name: text().notNull(),
    /** Events below it were truncated: readers must not see them, and the sweep deletes them. */
    firstVersion: integer("first_version").notNull().default(1),
    /** Version of the tombstone, while it is the subject's last event. */
    erased: integer(),
    /** 1 while truncated events wait to be deleted. */
    sweep: integer().notNull().default(0),
  },
  (table) => [
    uniqueIndex("subjects_log_name").on(table.log, table.name),
    index("subjects_sweep")
      .on(table.id)
      .where(sql`sweep = 1`),
  ],
);

/**
 * The events of all logs. `key` holds log and position (see `keys.ts`), so that a log is a range of the
 * table in order of position. The unique index on (subject, version) proves every append.
 */
export const events = sqliteTable(
  "events",
  {
    key: integer().primaryKey(),
    subject: integer()
      .notNull()
      .references(() => subjects.id),
    version: integer().notNull(),
    type: text().notNull(),
    /** When it happened, RFC 3339, as the producer gave it; null: when it was recorded. */
    time: text(),
    /** When it was recorded, `2026-01-31T12:00:00.000Z`; never less than that of the event before it. */
    recorded: text().notNull(),
    /** JSON text on one line. */
    data: text(),
    /** JSON text of an object: CloudEvents extension attributes. */
    extensions: text(),
  },
  (table) => [uniqueIndex("events_subject_version").on(table.subject, table.version)],
);

/**
 * Every erasure of a subject. A restore applies those of the store that it replaces, since the backup may still hold
 * events that were erased later. `erasures.ts` writes a row in the batch that writes the tombstone.
 */
export const erasures = sqliteTable(
  "erasures",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** Position, version and recorded time of the tombstone. */
    position: integer().notNull(),
    subject: text().notNull(),
    version: integer().notNull(),
    recorded: text().notNull(),
    reason: text(),
    /**
     * 0 when storage holds no more erased data. Raised by the erasure and by each feed that projects the
     * tombstone, since its old state stays in the file until the next scrub. -1: erased by a version that left copies
     * in the file; `kilde doctor --repair` rewrites the file.
     */
    sweep: integer().notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.log, table.position] }),
    index("erasures_subject").on(table.log, table.subject),
    index("erasures_sweep")
      .on(table.log, table.position)
      .where(sql`sweep > 0`),
  ],
);

/**
 * How often events were removed or replaced in each chunk of positions of a log. No row: never. `generations.ts` raises it
 * in the batch that does so.
 */
export const erasureGenerations = sqliteTable(
  "erasure_generations",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** Positions from 1,024 times this. */
    chunk: integer().notNull(),
    generation: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.log, table.chunk] })],
);

/** Ranges of versions that were erased, for the feeds that are projected from their log; see `erased-ranges.ts`. */
export const erasedRanges = sqliteTable(
  "erased_ranges",
  {
    id: integer().primaryKey({ autoIncrement: true }),
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** Id of a subject, which is gone when a feed was emptied. */
    subject: integer().notNull(),
    low: integer().notNull(),
    high: integer().notNull(),
    /** Position in the log of the event that reports it; 0: it is still to come. */
    position: integer().notNull(),
    /** Position in the event log of the tombstone that caused it. */
    origin: integer().notNull(),
    recorded: text().notNull(),
  },
  (table) => [index("erased_ranges_log").on(table.log, table.id)],
);

/** The answers to appends that carried an idempotency key. */
export const idempotency = sqliteTable("idempotency", {
  id: integer().primaryKey({ autoIncrement: true }),
  key: text().notNull().unique(),
  /** Digest of the request the key was first used with. */
  fingerprint: text().notNull(),
  /** The log's head before the append; positions in `results` count from here. */
  base: integer().notNull(),
  /** JSON: `[subject, version, position - base, count]` for each part of the append. */
  results: text().notNull(),
  recorded: text().notNull(),
});

/** Readers of a log that named themselves. */
export const consumers = sqliteTable(
  "consumers",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    name: text().notNull(),
    /** Position it stated it has dealt with everything up to. */
    committed: integer(),
    /** Position it was sent everything up to, when it last read. */
    sent: integer(),
    /** When it was first seen, RFC 3339. */
    since: text().notNull(),
    /** When it last read or committed. */
    seen: text().notNull(),
    /** Subjects that are blocked, as it reported with its last commit. */
    blocked: integer().notNull().default(0),
    /** JSON text of the last failure that it reported with that; null: none. */
    failure: text(),
  },
  (table) => [primaryKey({ columns: [table.log, table.name] }), index("consumers_name").on(table.name)],
);

/** The lag of consumers in the last day; `lag-history.ts` writes it. The hour comes first, so that old rows are a range. */
export const consumerLag = sqliteTable(
  "consumer_lag",
  {
    /** Hours since 1970. */
    hour: integer().notNull(),
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** Name of the consumer. */
    name: text().notNull(),
    /** JSON of `[step, events, seconds]` for each step of five minutes, 0 to 11, in order of step. */
    samples: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.hour, table.log, table.name] })],
);

/** Leases on the work that only one process may do at a time. */
export const leases = sqliteTable("leases", {
  /** The leased resource: the path of a feed's log, or of a subscription. */
  name: text().primaryKey(),
  /** A name that a process gives itself at start; it may carry a mark of the process (`storage/holder-name.ts`). */
  holder: text().notNull(),
  /** Grows with each change of holder; writes check it. */
  token: integer().notNull(),
  /** Milliseconds since 1970 by the database's clock, so that nodes whose clocks differ agree. */
  expires: integer().notNull(),
  /** A process with a higher rank may take the lease at any time. */
  rank: integer().notNull().default(0),
});

/**
 * Which events of the event log have which correlation; `correlations.ts` writes it, if the setting `correlations` is on. A
 * trigger deletes an entry with its event.
 */
export const eventCorrelations = sqliteTable(
  "event_correlations",
  {
    correlation: text().notNull(),
    position: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.correlation, table.position] })],
);

/** Position up to which the correlations of a log are in `event_correlations`. */
export const correlationProgress = sqliteTable("correlation_progress", {
  log: integer()
    .primaryKey()
    .references(() => logs.id),
  position: integer().notNull(),
});
