import { type Database, integerAt, type Row, type Statement, textAt } from "../storage/database.ts";
import type { LogAddress } from "./keys.ts";
import type { LogState } from "./log-state.ts";

/*
 * The history that a log holds. A position means one event within one identity. A restore, or a renewal by hand, gives
 * each log a new identity and records the former ones with the position up to which both hold the same events (the
 * lineage). So a cursor that carries an identity either still means the same event, by proof, or is refused.
 */

/** An identity that a log had before. */
export interface FormerIdentity {
  readonly identity: string;
  /** Up to this position the log holds the same events as it did under that identity. */
  readonly parted: number;
}

/** The identities of one log that a database records. */
export interface LogLineage {
  /** Path of the log: logs of two databases belong together by it. */
  readonly log: string;
  readonly identity: string;
  readonly head: number;
  readonly former: readonly FormerIdentity[];
}

const HAS_IDENTITIES = "select count(*) from pragma_table_info('logs') where name = 'identity'";

const SELECT_HISTORIES = `
select log.name, log.identity, log.head, former.identity, former.parted
from logs as log left join log_lineage as former on former.log = log.id
order by log.id, former.parted desc, former.identity`;

function historiesOf(rows: readonly Row[]): LogLineage[] {
  const histories = new Map<string, LogLineage & { readonly former: FormerIdentity[] }>();
  for (const row of rows) {
    const log = textAt(row, 0);
    const history = histories.get(log) ?? {
      log,
      identity: textAt(row, 1),
      head: integerAt(row, 2),
      former: [],
    };
    histories.set(log, history);
    if (row[3] !== null) history.former.push({ identity: textAt(row, 3), parted: integerAt(row, 4) });
  }
  return [...histories.values()];
}

/**
 * Reads the identities of all logs, in the order in which the logs were made. A database that was never migrated to have
 * identities never issued one, and yields an empty list.
 */
export async function readIdentities(database: Database): Promise<LogLineage[]> {
  const [row] = await database.read({ sql: HAS_IDENTITIES, args: [] });
  return integerAt(row, 0) === 0 ? [] : historiesOf(await database.read({ sql: SELECT_HISTORIES, args: [] }));
}

/** How a log relates to an identity. */
export interface Parting extends LogState {
  /** Up to this position the log holds the events that the identity named; null when the identity is not known. */
  readonly parted: number | null;
}

/** Arguments: log id, identity. */
const FIND_PARTING = `
select head, identity, iif(identity = ?2, head, (select parted from log_lineage where log = ?1 and identity = ?2))
from logs where id = ?1`;

/** Looks up how a log relates to an identity. */
export async function findParting(database: Database, log: LogAddress, identity: string): Promise<Parting> {
  const [row] = await database.read({ sql: FIND_PARTING, args: [log.id, identity] });
  const parted = row?.[2] ?? null;
  return {
    head: integerAt(row, 0),
    identity: textAt(row, 1),
    parted: parted === null ? null : integerAt(row, 2),
  };
}

/** Up to which position a log holds the events of each identity: its own, up to its head, and the former ones. */
function partings({ identity, head, former }: LogLineage): Map<string, number> {
  return new Map([...former.map((one) => [one.identity, one.parted] as const), [identity, head]]);
}

/**
 * The former identities that a log in a restored file takes over from the log in the store that the file replaces, in
 * addition to its own. Both logs hold the same events up to where they parted from an identity that both know, so the
 * replaced store's identities are shared up to there. Without a common identity nothing is known, and nothing is taken
 * over: readers from there have to compare from the start.
 */
export function inheritedLineage(restored: LogLineage, replaced: LogLineage): FormerIdentity[] {
  const own = partings(restored);
  const others = partings(replaced);
  const common = [...others].flatMap(([identity, parted]) => {
    const ours = own.get(identity);
    return ours === undefined ? [] : [Math.min(ours, parted)];
  });
  if (common.length === 0) return [];
  const shared = Math.max(...common);
  return [...others].flatMap(([identity, parted]) =>
    own.has(identity) ? [] : [{ identity, parted: Math.min(parted, shared) }],
  );
}

const IS_IDENTITY = "length(identity) = 16 and identity not glob '*[^0-9a-f]*'";

/** No client ever received a malformed identity. */
const DISCARD_DAMAGED = `delete from log_lineage where not (${IS_IDENTITY})`;

/** The identity that each log has now becomes a former one, parted at the head. */
const RECORD_FORMER = `
insert into log_lineage (log, identity, parted) select id, identity, head from logs where ${IS_IDENTITY}
on conflict (log, identity) do update set parted = min(parted, excluded.parted)`;

/** Argument: JSON `[[log's path, former identity, parted], …]`. */
const INHERIT = `
insert into log_lineage (log, identity, parted)
select log.id, entry.value ->> 1, min(entry.value ->> 2, log.head)
from json_each(?1) as entry cross join logs as log on log.name = entry.value ->> 0
where true on conflict (log, identity) do nothing`;

const NEW_IDENTITY = "lower(hex(randomblob(8)))";

const RENEW = `update logs set identity = ${NEW_IDENTITY}`;

/**
 * The part of `renewIdentities` that concerns logs.
 *
 * @param after statements of the same batch: they make the plans of projectors and dispatchers fail, and record the renewal
 */
export async function renewLogIdentities(
  database: Database,
  replaced: readonly LogLineage[],
  after: readonly Statement[],
): Promise<LogLineage[]> {
  const replacedByLog = new Map(replaced.map((history) => [history.log, history]));
  const inherited = (await readIdentities(database)).flatMap((restored) => {
    const other = replacedByLog.get(restored.log);
    const lineage = other === undefined ? [] : inheritedLineage(restored, other);
    return lineage.map(({ identity, parted }) => [restored.log, identity, parted]);
  });
  await database.write([
    { sql: DISCARD_DAMAGED, args: [] },
    { sql: RECORD_FORMER, args: [] },
    { sql: INHERIT, args: [JSON.stringify(inherited)] },
    { sql: RENEW, args: [] },
    ...after,
  ]);
  return readIdentities(database);
}

/**
 * The part of a batch that gives a log a new identity because all of its events were discarded: it shares nothing with
 * any former one. `when`: SQL condition on `?1`, the log's id.
 */
export function discardHistory(log: LogAddress, when: string): Statement[] {
  return [
    `update log_lineage set parted = 0 where log = ?1 and ${when}`,
    `insert into log_lineage (log, identity, parted) select id, identity, 0 from logs where id = ?1 and ${when}`,
    `${RENEW} where id = ?1 and ${when}`,
  ].map((sql) => ({ sql, args: [log.id] }));
}
