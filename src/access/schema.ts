import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** API keys, also those that have ended: a restored copy of the database must not revive a revoked key. */
export const apiKeys = sqliteTable(
  "api_keys",
  {
    id: text().primaryKey(),
    /** SHA-256 of the whole token, in hexadecimal digits. */
    digest: text().notNull(),
    /** Unique among the keys that are neither revoked, nor expired, nor rotated. */
    name: text().notNull(),
    /** JSON of the text forms of the grants. */
    grants: text().notNull(),
    /** Name of the consumer that it reads and commits as; null: none. */
    consumer: text(),
    /** All times are in milliseconds since 1970. */
    created: integer().notNull(),
    /** Null: never. */
    expires: integer(),
    revoked: integer(),
    /** Id of the key that a rotation replaced it by. */
    successor: text(),
    /** When it was last used, to within some minutes. */
    used: integer(),
  },
  (table) => [index("api_keys_name").on(table.name, table.id)],
);

/** At most one row, with the id 0. */
export const accessState = sqliteTable("access_state", {
  id: integer().primaryKey(),
  /** Raised by each change of a key; processes that remember keys then read them again. */
  revision: integer().notNull(),
  /** 1 once a key or an issuer has existed: the store is never open again. */
  secured: integer().notNull(),
  /** Seals the cookies of sessions. */
  sessionSecret: text("session_secret"),
});
