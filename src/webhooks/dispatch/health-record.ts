import type { EntryType } from "../../administration/catalog.ts";
import { withContact } from "../../administration/objectives/contact.ts";
import type { EventsBeside } from "../../log/append/append-beside.ts";
import { subscriptionPath } from "../subscriptions/delivered-filter.ts";
import type { StoredProgress } from "./progress.ts";
import type {
  EndpointTrouble,
  StoredLane,
  SubjectTally,
  SubscriptionRecord,
} from "../subscriptions/subscription.ts";

/*
 * Records in the log of administration which subjects are blocked and no longer blocked, and when the endpoint goes down
 * and recovers. A dispatcher holds the lease and stores progress under its epoch, so it knows the stored rows: a save
 * changes the health of exactly the subjects whose row was, or will be, a blocked one.
 */

/** Most entries about single subjects in a minute; further changes are counted, and recorded together after the minute. */
export const SUBJECT_ENTRIES = 100;
const MINUTE_MS = 60_000;

/** The rows of a save, on which the health of subjects depends. */
interface StoredHealth {
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[] | "all";
  readonly trouble: EndpointTrouble | null;
}

/** The part of a save that records. */
export interface RecordedHealth {
  readonly progress: Pick<StoredProgress, "trouble" | "tally" | "entries" | "now">;
  /** Call it when the write is acknowledged. */
  readonly acknowledge: () => void;
}

export interface HealthRecord {
  /** Plans the entries of a save. */
  record(stored: StoredHealth, nowMs: number): RecordedHealth;
  /**
   * When counted changes are due to be recorded, in milliseconds since 1970; null: there are none. A turn does not wait for
   * that (`isTurn`): a later turn records them.
   */
  due(nowMs: number, isTurn: boolean): number | null;
}

type Row = readonly [subject: number | null, type: EntryType, data: object];

/** SQL: the data of a row; that of a row with a subject gets the subject's name. */
const DATA = `iif(entry.value ->> 0 is null, entry.value ->> 2,
    json_set(entry.value ->> 2, '$.subject', (select name from subjects where id = entry.value ->> 0)))`;

/** Arguments: 3 path of the subscription, 4 JSON of `Row`s, 5 id of the subscription. */
const ENTRIES = `(select json_group_array(json_array(?3, entry.value ->> 1, ${withContact(DATA, "subscription", "?5")}))
  from json_each(?4) as entry)`;

/** Changes of a save, by subject. */
interface Changes {
  readonly blocked: readonly number[];
  readonly healed: readonly number[];
}

function changesOf({ upserts, deletes }: StoredHealth, blocked: ReadonlySet<number>): Changes {
  const failing = upserts.filter(({ attempts, subject }) => attempts > 0 && !blocked.has(subject));
  // Without a blocked subject, none can have healed.
  if (blocked.size === 0) return { blocked: failing.map(({ subject }) => subject), healed: [] };
  const gone = deletes === "all" ? [...blocked] : deletes;
  const well = upserts.filter(({ attempts }) => attempts === 0).map(({ subject }) => subject);
  return {
    blocked: failing.map(({ subject }) => subject),
    healed: [...gone, ...well].filter((subject) => blocked.has(subject)),
  };
}

function endpointRows(before: EndpointTrouble | null, trouble: EndpointTrouble | null): Row[] {
  if ((before === null) === (trouble === null)) return [];
  return trouble === null
    ? [[null, "kilde.subscription.recovered", { principal: null, from: "down" }]]
    : [[null, "kilde.subscription.down", { principal: null, reason: trouble.error }]];
}

/** @param blocked ids of the subjects that are stored as blocked */
export function createHealthRecord(
  { id, log, trouble: stored, tally: kept }: SubscriptionRecord,
  blocked: Set<number>,
): HealthRecord {
  let trouble = stored;
  let tally = kept;
  const source = log.name;
  /** The database adds the names of single subjects. */
  const data = (count: number) => ({ principal: null, source, subject: null, count });
  const entriesOf = (rows: readonly Row[]): EventsBeside | null =>
    rows.length === 0 ? null : { sql: ENTRIES, args: [subscriptionPath(id), JSON.stringify(rows), id] };

  /** The entries about changes that were counted until a minute had passed. */
  const countedRows = ({ blocked: newly, healed }: SubjectTally): Row[] => [
    ...(newly > 0 ? [[null, "kilde.subject.blocked", data(newly)] as const] : []),
    ...(healed > 0 ? [[null, "kilde.subject.healed", data(healed)] as const] : []),
  ];

  return {
    due(nowMs, isTurn) {
      if (tally === null || tally.blocked + tally.healed === 0) return null;
      const dueMs = tally.since + MINUTE_MS;
      return isTurn && dueMs > nowMs ? null : dueMs;
    },
    record(next, nowMs) {
      const changes = changesOf(next, blocked);
      const isOver = tally !== null && Math.abs(nowMs - tally.since) >= MINUTE_MS;
      const rows: Row[] = [
        ...endpointRows(trouble, next.trouble),
        ...(isOver && tally !== null ? countedRows(tally) : []),
      ];
      const counted = (tally === null || isOver ? null : tally) ?? {
        since: nowMs,
        entries: 0,
        blocked: 0,
        healed: 0,
      };
      let room = SUBJECT_ENTRIES - counted.entries;
      const recordEach = (subjects: readonly number[], type: EntryType): number => {
        const single = subjects.slice(0, Math.max(0, room));
        room -= single.length;
        for (const subject of single) rows.push([subject, type, data(1)]);
        return subjects.length - single.length;
      };
      const after = {
        since: counted.since,
        blocked: counted.blocked + recordEach(changes.blocked, "kilde.subject.blocked"),
        healed: counted.healed + recordEach(changes.healed, "kilde.subject.healed"),
        entries: SUBJECT_ENTRIES - room,
      };
      const isEmpty = after.entries + after.blocked + after.healed === 0;
      const nextTally = isEmpty ? null : after;
      return {
        progress: {
          trouble: next.trouble,
          tally: nextTally,
          entries: entriesOf(rows),
          now: new Date(nowMs).toISOString(),
        },
        acknowledge() {
          ({ trouble } = next);
          tally = nextTally;
          for (const subject of changes.blocked) blocked.add(subject);
          for (const subject of changes.healed) blocked.delete(subject);
        },
      };
    },
  };
}
