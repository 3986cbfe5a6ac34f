import { join } from "node:path";

import { migrate } from "../../../src/log/migrate.ts";
import { openDatabase } from "../../../src/storage/open.ts";

/**
 * A database with so many streams of so many events each, which take turns in the log. Written as the log's schema
 * has it: appending them would take minutes.
 */
export async function filled(
  folder: string,
  {
    streams,
    versions,
    config,
  }: { readonly streams: number; readonly versions: number; readonly config: string },
): Promise<void> {
  const database = openDatabase({ url: `file:${join(folder, "kilde.db")}` });
  await migrate(database);
  const count = streams * versions;
  await database.write([
    {
      sql: `insert into subjects (id, log, name)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < cast(?1 as integer))
        select i, 0, 's-' || i from n`,
      args: [streams],
    },
    {
      sql: `insert into events (key, subject, version, type, recorded, data)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < cast(?1 as integer))
        select i, (i - 1) % cast(?2 as integer) + 1, (i - 1) / cast(?2 as integer) + 1, 'Added',
          '2026-01-01T00:00:00.000Z', '{"n":1}' from n`,
      args: [count, streams],
    },
    { sql: "update logs set head = ?1, recorded = '2026-01-01T00:00:00.000Z' where id = 0", args: [count] },
  ]);
  database.close();
  await Bun.write(join(folder, "kilde.config.ts"), config);
}
