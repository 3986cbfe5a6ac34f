import { ADVANCE_HEAD } from "../append/append-batch.ts";
import type { Database, Row } from "../../storage/database.ts";
import { integerAt } from "../../storage/database.ts";
import { removalStatement } from "./erasures.ts";
import type { RecordRemovals } from "./stream-removal.ts";
import { raiseBelow } from "./generations.ts";
import type { LogAddress } from "../keys.ts";

/** Events deleted by one write of the sweep: few enough that appends hardly wait. */
const SWEEP_BATCH = 500;

/** Hides events below a version from all readers; the sweep deletes them. Arguments: log id, name, version. */
export const TRUNCATE = `
update subjects set first_version = ?3, sweep = 1 where log = ?1 and name = ?2 and first_version < ?3`;

export interface Truncation {
  readonly subject: string;
  /** The first version that stays. */
  readonly before: number;
  /** Identity of the log that this was decided on. */
  readonly identity: string;
  /** Name of the principal who truncates; null: unknown. */
  readonly by: string | null;
  /** Why, as the request states; null: it states no reason. */
  readonly reason: string | null;
}

/** Fails as a `conflict`, with nothing truncated, when the log has another identity. */
export async function truncateSubject(
  database: Database,
  log: LogAddress,
  { subject, before, identity, by, reason }: Truncation,
  recordRemovals: RecordRemovals,
  now: string,
): Promise<void> {
  await database.write([
    { sql: ADVANCE_HEAD, args: [log.id, 0, "", identity] },
    raiseBelow(log, subject, before),
    { sql: TRUNCATE, args: [log.id, subject, before] },
    ...recordRemovals([{ stream: subject, before, reason, by }], now, "changed"),
    removalStatement(log),
  ]);
}

const NEXT_TO_SWEEP =
  "select id, first_version from subjects indexed by subjects_sweep where sweep = 1 limit 1";

/** Arguments: subject id, first version to keep, count. */
export const DELETE_TRUNCATED = `
delete from events where key in
  (select key from events where subject = ?1 and version < ?2 order by version limit ?3)
returning 1`;

/** Arguments: subject id, first version that was kept: more may have been truncated since. */
const MARK_SWEPT = `
update subjects set sweep = 0 where id = ?1 and first_version = ?2`;

/**
 * Deletes a batch of hidden events, if any are left. Any process may call it at any time, also after a crash.
 * @returns whether there is more to do.
 */
export async function sweepStep(database: Database): Promise<boolean> {
  const [row]: readonly Row[] = await database.read({ sql: NEXT_TO_SWEEP, args: [] });
  if (row === undefined) return false;
  const [id, keep] = [integerAt(row, 0), integerAt(row, 1)];
  const [deleted = []] = await database.write([{ sql: DELETE_TRUNCATED, args: [id, keep, SWEEP_BATCH] }]);
  if (deleted.length < SWEEP_BATCH) await database.write([{ sql: MARK_SWEPT, args: [id, keep] }]);
  return true;
}
