import type { AppendReceipt } from "../../core/event.ts";
import { type Database, type Row, type Statement, textAt, integerAt } from "../../storage/database.ts";
import { type LogAddress, LOG_SPAN } from "../keys.ts";
import type { SubjectState } from "./placement.ts";
import type { FirstAnswer } from "./plan.ts";

/*
 * The SQL of the lookups of an append to the event log, and of its idempotency keys.
 */

/** Arguments: log id, now, JSON `[[key, fingerprint, [[subject, version, offset, count], …]], …]`. */
export const INSERT_KEYS = `
insert into idempotency (key, fingerprint, base, results, recorded)
select entry.value ->> 0, entry.value ->> 1, log.head, entry.value -> 2, ?2
from logs as log cross join json_each(?3) as entry
where log.id = ?1`;

/**
 * {@link INSERT_KEYS}, with the versions of the events that the batch has inserted: the plan did not read all subjects.
 * Arguments: those of `INSERT_KEYS`; each part has events.
 */
export const INSERT_KEYS_OF_UNREAD = `
insert into idempotency (key, fingerprint, base, results, recorded)
select entry.value ->> 0, entry.value ->> 1, log.head,
  (select json_group_array(json_array(part.value ->> 0,
      (select version from events where key = log.id * ${LOG_SPAN} + log.head + (part.value ->> 2)),
      part.value ->> 2, part.value ->> 3))
    from json_each(entry.value, '$[2]') as part), ?2
from logs as log cross join json_each(?3) as entry
where log.id = ?1`;

/** A few of the oldest at a time, so that an append never pays for many. Arguments: recorded before, count. */
export const FORGET_KEYS = `
delete from idempotency where id in
  (select id from (select id, recorded from idempotency order by id limit ?2) where recorded < ?1)`;

/** Arguments: log id, JSON `[name, …]`. */
export const SELECT_SUBJECTS = `
select name.value, subject.id, subject.erased is not null,
  (select version from events where subject = subject.id order by version desc limit 1)
from json_each(?2) as name cross join subjects as subject on subject.log = ?1 and subject.name = name.value`;

/** Arguments: JSON `[key, …]`. */
export const SELECT_KEYS = `
select first.key, first.fingerprint, first.base, first.results
from json_each(?1) as wanted cross join idempotency as first on first.key = wanted.value`;

export function selectSubjects(log: LogAddress, names: readonly string[]): Statement {
  return { sql: SELECT_SUBJECTS, args: [log.id, JSON.stringify(names)] };
}

export function subjectStates(rows: readonly Row[]): Map<string, SubjectState> {
  return new Map(
    rows.map((row) => [
      textAt(row, 0),
      { stored: true, id: integerAt(row, 1), erased: integerAt(row, 2) === 1, version: integerAt(row, 3) },
    ]),
  );
}

export function selectKeys(keys: readonly string[]): Statement {
  return { sql: SELECT_KEYS, args: [JSON.stringify(keys)] };
}

type StoredResult = readonly [subject: string, version: number, offset: number, count: number];

export function storedResults(results: readonly AppendReceipt[]): StoredResult[] {
  return results.map(({ subject, version, position, count }) => [subject, version, position, count]);
}

export function firstAnswers(rows: readonly Row[]): Map<string, FirstAnswer> {
  return new Map(
    rows.map((row) => {
      const base = integerAt(row, 2);
      const stored = JSON.parse(textAt(row, 3)) as StoredResult[];
      const results = stored.map(([subject, version, offset, count]) => ({
        subject,
        version,
        position: base + offset,
        count,
      }));
      return [textAt(row, 0), { fingerprint: textAt(row, 1), results }];
    }),
  );
}

/** {@link SELECT_KEYS} for one key, with the identity of the event log. Arguments: key, log id. */
const FIND_APPEND = `
select key, fingerprint, base, results, (select identity from logs where id = ?2) from idempotency where key = ?1`;

/** An append as it was answered first. */
export interface FoundAppend {
  readonly results: readonly AppendReceipt[];
  /** Identity of the log that the positions belong to now. */
  readonly identity: string;
}

/** The first answer to the append with an idempotency key; null when there was none, or its key has expired. */
export async function findAppend(
  database: Database,
  log: LogAddress,
  key: string,
): Promise<FoundAppend | null> {
  const [row] = await database.read({ sql: FIND_APPEND, args: [key, log.id] });
  const answer = row === undefined ? undefined : firstAnswers([row]).get(key);
  return answer === undefined ? null : { results: answer.results, identity: textAt(row, 4) };
}
