import { prefixEnd } from "../../core/names.ts";
import { SNAPSHOT_TYPE, snapshotFolder, SNAPSHOTS_PREFIX } from "../../core/snapshot-streams.ts";
import { type Database, textAt } from "../../storage/database.ts";
import type { Erasure } from "../erase/erasures.ts";
import { EVENT_LOG_ADDRESS } from "../keys.ts";

/* Snapshots that deciders keep of streams in the event log: they hold data of events that were erased from the stream. */

/** The first stream with snapshots from a name on. Arguments: log id, name, end of the names. */
export const NEXT_SNAPSHOTS = `
select name from subjects where log = ?1 and name >= ?2 and name < ?3 and name glob 'snapshots/*/v[0-9]*/*'
order by name limit 1`;

/** The folders of all streams with snapshots; a deployment has as many as it has deciders and schema versions. */
async function snapshotFolders(database: Database): Promise<string[]> {
  const end = prefixEnd(SNAPSHOTS_PREFIX);
  const folders: string[] = [];
  let from = SNAPSHOTS_PREFIX;
  for (;;) {
    const [row] = await database.read({ sql: NEXT_SNAPSHOTS, args: [EVENT_LOG_ADDRESS.id, from, end] });
    if (row === undefined) return folders;
    const name = textAt(row, 0);
    const folder = snapshotFolder(name);
    if (folder !== null) folders.push(folder);
    from = (folder === null ? null : prefixEnd(folder)) ?? `${name}\u0000`;
  }
}

/**
 * Of some streams with snapshots, those whose snapshot is of events before a version. Arguments: log id, JSON
 * `[[name, version], …]`.
 */
export const OLDER_SNAPSHOTS = `
select subject.name from json_each(?2) as kept
cross join subjects as subject on subject.log = ?1 and subject.name = kept.value ->> 0
cross join events as event on event.subject = subject.id and event.version =
  (select version from events where subject = subject.id order by version desc limit 1)
where event.type = '${SNAPSHOT_TYPE}' and
  coalesce(iif(json_valid(event.data), event.data ->> '$.version', null), 0) < kept.value ->> 1`;

/** Names of the streams with snapshots of what some erasures erased. */
export async function findErasedSnapshots(
  database: Database,
  erasures: readonly Pick<Erasure, "subject" | "version">[],
): Promise<string[]> {
  if (erasures.length === 0) return [];
  const folders = await snapshotFolders(database);
  if (folders.length === 0) return [];
  const wanted = folders.flatMap((folder) =>
    erasures.map(({ subject, version }) => [folder + subject, version]),
  );
  const rows = await database.read({
    sql: OLDER_SNAPSHOTS,
    args: [EVENT_LOG_ADDRESS.id, JSON.stringify(wanted)],
  });
  return Array.from(new Set(rows.map((row) => textAt(row, 0))));
}
