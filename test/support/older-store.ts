import { INSERT_SUBJECTS } from "../../src/log/append/append-batch.ts";
import { migrateTo } from "../../src/log/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations.ts";
import { openDatabase } from "../../src/storage/open.ts";

/** An event as an older version stored it. */
export interface OlderEvent {
  readonly type: string;
  readonly data: string | null;
  readonly extensions?: string;
}

/** Makes the database that a version of Kilde from before a migration left, with events of the stream `old`. */
export async function makeOlderStore(
  url: string,
  before: string,
  events: readonly OlderEvent[],
): Promise<void> {
  const database = openDatabase({ url });
  await migrateTo(
    database,
    MIGRATIONS.findIndex(({ tag }) => tag === before),
  );
  const statement = (sql: string, ...args: (string | number | null)[]) => ({ sql, args });
  await database.write([
    statement(
      "insert into logs (id, name, head, recorded) values (0, '/events', ?, ?)",
      events.length,
      "2026-01-31T12:00:00.000Z",
    ),
    statement(INSERT_SUBJECTS, 0, '["old"]'),
    ...events.map(({ type, data, extensions = null }, index) =>
      statement(
        "insert into events (key, subject, version, type, recorded, data, extensions) values (?1, (select id from subjects), ?1, ?2, ?3, ?4, ?5)",
        index + 1,
        type,
        "2026-01-31T12:00:00.000Z",
        data,
        extensions,
      ),
    ),
  ]);
  database.close();
}
