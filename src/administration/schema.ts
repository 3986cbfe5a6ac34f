import { integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The objectives of the store, as the process stated them that started last. */
export const objectives = sqliteTable(
  "objectives",
  {
    kind: text({ enum: ["consumer", "feed", "subscription"] }).notNull(),
    /** Name of the consumer, path of the feed, or id of the subscription. */
    name: text().notNull(),
    /** Path of the consumer's log; null: every log that a consumer of this name reads. */
    log: text(),
    /** In seconds; null: no limit. */
    lag: real(),
    silent: real(),
    /** Whom an alarm is for; null: not stated. */
    contact: text(),
    /** From when on the silence of a consumer counts that has not read since, RFC 3339; see `objectives/stored-objectives.ts`. */
    since: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.name] })],
);

/** Whether each objective is missed, in the resources that have missed it before; see `objectives/alarm-state.ts`. */
export const objectiveStates = sqliteTable(
  "objective_states",
  {
    kind: text({ enum: ["consumer", "feed", "subscription"] }).notNull(),
    name: text().notNull(),
    /** Path of the consumer, feed or subscription. */
    resource: text().notNull(),
    measure: text({ enum: ["lag", "silent"] }).notNull(),
    /** 1: missed. */
    missed: integer().notNull(),
    /** Start of the state, RFC 3339. */
    since: text().notNull(),
    /** Position of the entry that began the state, or of a later one of the same batch. */
    position: integer().notNull(),
    /** Whom the alarm was for. */
    contact: text(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.name, table.resource, table.measure] })],
);
