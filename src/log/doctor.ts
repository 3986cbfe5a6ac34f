import { ERASED_TYPE } from "../core/event.ts";
import { type Database, integerAt, textAt } from "./database.ts";
import { LOG_SPAN } from "./keys.ts";

/** Something about a database that is not as it must be. */
export interface Finding {
  readonly check: string;
  readonly detail: string;
}

interface Check {
  readonly name: string;
  /** Gives a row with a text for each fault; looks through everything, so that it may take long. */
  readonly sql: string;
}

/** Faults of one kind that are told; more of them say no more. */
const TOLD = 20;

/** Logs that are not just being emptied, which takes several writes; `cleared` is the head when they last were. */
const LOGS = `(select logs.*, coalesce(feeds.cleared, 0) as cleared from logs left join feeds on feeds.log = logs.id
  where coalesce(feeds.status, '') not in ('retiring', 'rebuilding'))`;

const CHECKS: readonly Check[] = [
  {
    name: "heads",
    sql: `select log.name || ': the head is ' || log.head || ', but the last event is at ' || coalesce(last, 0)
      from (select logs.*, (select key from events where key < (logs.id + 1) * ${LOG_SPAN} order by key desc limit 1)
        - logs.id * ${LOG_SPAN} as last from ${LOGS} as logs) as log
      where log.head <> max(coalesce(last, 0), log.cleared)`,
  },
  {
    // Every event raises one version by one and the head by one, so that a lost or doubled position shows here.
    name: "positions are gapless",
    sql: `select log.name || ': the head is ' || log.head || ', but the versions of its subjects add up to ' || total
      from (select logs.*, coalesce((select sum((select version from events where subject = subjects.id
        order by version desc limit 1)) from subjects where subjects.log = logs.id), 0) as total from ${LOGS} as logs) as log
      where log.head <> log.cleared + total`,
  },
  {
    name: "versions are gapless",
    sql: `select subject.name || ': has ' || count(*) || ' events from version ' || min(event.version) || ' to '
        || max(event.version) || ', first version ' || subject.first_version
      from events as event join subjects as subject on subject.id = event.subject
      where event.version >= subject.first_version
      group by subject.id
      having min(event.version) <> subject.first_version
        or count(*) <> max(event.version) - min(event.version) + 1`,
  },
  {
    name: "versions are in order of position",
    sql: `select subject.name || ': version ' || later.version || ' is not after the one before it'
      from events as earlier
      join events as later on later.subject = earlier.subject and later.version = earlier.version + 1
      join subjects as subject on subject.id = earlier.subject
      where later.key <= earlier.key`,
  },
  {
    name: "recorded times only grow",
    sql: `select 'key ' || key || ': recorded at ' || recorded || ', but the event before it at ' || before
      from (select key, recorded,
        lag(recorded) over (order by key) as before from events where key < ${LOG_SPAN})
      where recorded < before`,
  },
  {
    name: "events are in their subject's log",
    sql: `select 'key ' || event.key || ': its subject ' || subject.name || ' is of log ' || subject.log
      from events as event join subjects as subject on subject.id = event.subject
      where event.key / ${LOG_SPAN} <> subject.log`,
  },
  {
    // But for those of which a projection only keeps a state so far.
    name: "subjects have events",
    sql: `select name || ': has no event' from subjects
      where not exists (select 1 from events where subject = subjects.id)
        and not exists (select 1 from feed_subjects where subject = subjects.id)
        and log in (select id from ${LOGS})`,
  },
  {
    name: "tombstones",
    sql: `select subject.name || ': is marked as erased at version ' || subject.erased
        || ', but its last event is version ' || event.version || ' of type ' || event.type
      from subjects as subject join events as event on event.subject = subject.id and event.version =
        (select version from events where subject = subject.id order by version desc limit 1)
      where subject.erased is not null and (subject.erased <> event.version or event.type <> '${ERASED_TYPE}')`,
  },
  {
    name: "events are JSON",
    sql: `select 'key ' || key || ': its data or extensions are not JSON' from events
      where json_valid(coalesce(data, 'null')) = 0 or json_valid(coalesce(extensions, '{}')) = 0`,
  },
  {
    name: "idempotency keys",
    sql: `select key || ': answered a position beyond the head' from idempotency
      where base > (select max(head) from logs)`,
  },
  {
    name: "foreign keys",
    sql: `select "table" || ' row ' || rowid || ' refers to a row of ' || parent || ' that is not there'
      from pragma_foreign_key_check`,
  },
];

/** SQLite's own check of the file, which a libSQL server does not let one ask for. */
const INTEGRITY: Check = {
  name: "the file's structure",
  sql: "select integrity_check from pragma_integrity_check where integrity_check <> 'ok'",
};

/**
 * Checks the invariants of a whole database: heads, gapless positions and versions, order, references.
 * Reads everything, and changes nothing.
 * @returns what is wrong; nothing when all is well.
 */
export async function examine(database: Database): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, sql } of database.embedded ? [INTEGRITY, ...CHECKS] : CHECKS) {
    const [counted] = await database.read({ sql: `select count(*) from (${sql})`, args: [] });
    const count = integerAt(counted, 0);
    if (count === 0) continue;
    const rows = await database.read({ sql: `${sql} limit ${TOLD}`, args: [] });
    findings.push(...rows.map((row) => ({ check: name, detail: textAt(row, 0) })));
    if (count > rows.length) findings.push({ check: name, detail: `and ${count - rows.length} more` });
  }
  return findings;
}
