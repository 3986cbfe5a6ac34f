import { integer, real, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

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
    /** Raised by every write to the feed, which fails when it was planned at another (see `write.ts`). */
    epoch: integer().notNull().default(0),
    /** Head of the source when the build began. */
    target: integer().notNull().default(0),
    /** When it was registered, by the clock of the process that did; RFC 3339. */
    started: text().notNull(),
    /** Head when the feed was last emptied: events up to it are gone, and positions go on after it. */
    cleared: integer().notNull().default(0),
    /** Source events a second, as measured over the last of the build. */
    rate: real().notNull().default(0),
    /** JSON of a `Failure`, while the feed is halted. */
    failure: text(),
    /** JSON: the JSON Schema of each published type, as promised to consumers; a draft promises none. */
    schemas: text().notNull(),
  },
  (table) => [uniqueIndex("feeds_name_version").on(table.name, table.version)],
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
});
