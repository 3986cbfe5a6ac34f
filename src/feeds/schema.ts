import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

import { logs, subjects } from "../log/schema.ts";

/** The versions of feeds that were ever registered, and how far each is projected. */
export const feeds = sqliteTable(
  "feeds",
  {
    log: integer()
      .primaryKey()
      .references(() => logs.id),
    name: text().notNull(),
    version: integer().notNull(),
    status: text({ enum: ["building", "live", "halted", "rebuilding", "retiring", "retired"] })
      .notNull()
      .default("building"),
    /** Position in the source up to which all of its events are projected. */
    cursor: integer().notNull().default(0),
    /**
     * Of a feed that merges (`merging.ts`): position in the event log up to which events that its source published ahead of
     * its cursor are projected.
     */
    merged: integer().notNull().default(0),
    /** Raised by every write to the feed, which fails when it was planned at another (see `write.ts`). */
    epoch: integer().notNull().default(0),
    /**
     * Counts hydrations. A hydration does not raise the epoch, so that it outdates no batch of the projector but one that
     * writes to the same subject (see `write.ts`).
     */
    hydrations: integer().notNull().default(0),
    /** Head of the source when the build began. */
    target: integer().notNull().default(0),
    /** When it was registered, by the clock of the process that did; RFC 3339. */
    started: text().notNull(),
    /** Head when the feed was last emptied: events up to it are gone, and positions continue after it. */
    cleared: integer().notNull().default(0),
    /** Id of the source's last erased range that is applied to the published events; see `erasing.ts`. */
    erased: integer().notNull().default(0),
    /**
     * Source position up to which `feed_origins` is complete for events that were published before this table existed;
     * null: it is complete. The default is for such feeds.
     */
    traced: integer().default(0),
    /** Source events a second, as measured over the last of the build. */
    rate: real().notNull().default(0),
    /** JSON of a `Failure`, while the feed is halted. */
    failure: text(),
    /**
     * JSON: the JSON Schema of each type, of the contract under which something was published last, on which consumers rely.
     * A draft has none.
     */
    schemas: text().notNull(),
    /** Revision of that contract in `feed_contracts`, 0 before it was noted; in a draft, raised when its definition changes. */
    publishedRevision: integer("promised").notNull().default(0),
    /** The library that generated `schemas`: `zod 4.6.7`; null: not recorded. */
    generator: text(),
    /** JSON: the parts of the definition that must not change while published events are kept; see `definition-record.ts`. */
    definition: text(),
  },
  (table) => [uniqueIndex("feeds_name_version").on(table.name, table.version)],
);

/**
 * Events that a feed published ahead of its cursor, because their subject was read; see `merging.ts`. The migration makes
 * the table one without row ids.
 */
export const feedAhead = sqliteTable(
  "feed_ahead",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    position: integer().notNull(),
    /** Position in the event log of the event that it comes from. */
    origin: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.log, table.position] }),
    index("feed_ahead_origin").on(table.log, table.origin),
  ],
);

/** Contracts of published versions that were started with, newest last, so that the newest release projects. */
export const feedContracts = sqliteTable(
  "feed_contracts",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** 1, 2, 3 … in the order in which they were first started with. */
    revision: integer().notNull(),
    schemas: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.log, table.revision] })],
);

/**
 * What the projection keeps of a subject of a feed. A subject without state that was never hydrated has no row.
 */
export const feedSubjects = sqliteTable("feed_subjects", {
  subject: integer()
    .primaryKey()
    .references(() => subjects.id),
  /** JSON of the folded state; null where the feed keeps none. */
  state: text(),
  /** Source position up to which this subject is projected, if that is beyond the feed's cursor: it was hydrated. */
  projected: integer().notNull().default(0),
  /** Place of the last event that erased the subject as a whole: nothing up to it counts any more. */
  reset: integer().notNull().default(0),
});

/**
 * The source events that count for a subject of a feed, where erasing a stream may concern other subjects than the one
 * of its name: in re-keyed feeds, and in feeds that are projected from these. Written in the batch that publishes. The
 * migration makes the table one without row ids, which drizzle cannot express.
 */
export const feedOrigins = sqliteTable(
  "feed_origins",
  {
    subject: integer()
      .notNull()
      .references(() => subjects.id),
    /** Position of the event in the source. */
    position: integer().notNull(),
    /** Id of the source's subject that the event is of, and the event's version. */
    source: integer().notNull(),
    sourceVersion: integer("source_version").notNull(),
    /** Place among the contributions of the subject, where that is not the position; see `merging.ts`. */
    place: integer(),
    /** Version of the feed's subject before the events published for the event, and the number of those. */
    version: integer().notNull(),
    events: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.subject, table.position] }),
    index("feed_origins_source").on(table.source, table.sourceVersion),
  ],
);

/**
 * Subjects of stateful feeds of which a contribution was erased: their events are erased from `low` on, and then the
 * remaining events are published again. No other event of the feed is projected meanwhile.
 */
export const feedRevisions = sqliteTable(
  "feed_revisions",
  {
    subject: integer()
      .primaryKey()
      .references(() => subjects.id),
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** Place of the first contribution that was erased. */
    since: integer().notNull(),
    /** Versions after it are to be erased, and up to which they are. */
    low: integer().notNull(),
    wiped: integer().notNull(),
    /** Place up to which contributions are folded again; null: versions are still to be erased. */
    folded: integer(),
    /** Of the last erasure that it serves, as in `erased_ranges`. */
    origin: integer().notNull(),
    recorded: text().notNull(),
  },
  (table) => [index("feed_revisions_log").on(table.log)],
);

/**
 * While a draft is built again: events that report erasures, which take the versions they had before. So the events
 * published beside them get their former versions, too.
 */
export const feedPlaces = sqliteTable(
  "feed_places",
  {
    log: integer()
      .notNull()
      .references(() => logs.id),
    /** Of the subject. */
    name: text().notNull(),
    version: integer().notNull(),
    type: text().notNull(),
    recorded: text().notNull(),
    data: text(),
    extensions: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.log, table.name, table.version] })],
);
