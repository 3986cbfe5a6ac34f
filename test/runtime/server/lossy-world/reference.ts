import { Database } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";

import type { Client, KildeEvent } from "../../../../src/client/index.ts";
import type { Acknowledged, ConsumerOptions } from "./programs.ts";
import { type LogName, MARK, type Operation, published } from "./published.ts";

/** Computes the events that consumers must hold from the event log alone. */

/** An event of a log that consumers follow, as they keep it. */
export interface Entry {
  readonly log: LogName;
  readonly subject: string;
  readonly version: number;
  readonly source: number;
  readonly type: string;
  readonly data: string;
}

type LogEvent = KildeEvent<Operation>;

/** The events of each subject in each log, in order. */
export interface Reference {
  readonly events: readonly LogEvent[];
  readonly subjects: Readonly<Record<LogName, ReadonlyMap<string, readonly Entry[]>>>;
}

/** Entries that a log has of the events of one stream. */
function entriesOf(log: LogName, events: readonly LogEvent[]): Entry[] {
  const entries: Entry[] = [];
  let sum = 0;
  for (const { subject, position: source, type, data } of events) {
    if (type === "Added") sum += data.n;
    for (const each of published[log](type, data, sum)) {
      const version = entries.length + 1;
      entries.push({ log, subject, version, source, type: each.type, data: JSON.stringify(each.data) });
    }
  }
  return entries;
}

export function referenceOf(events: readonly LogEvent[]): Reference {
  const streams = Map.groupBy(events, ({ subject }) => subject);
  const of = (log: LogName) =>
    new Map(
      [...streams]
        .map(([stream, its]) => [stream, entriesOf(log, its)] as const)
        .filter(([, entries]) => entries.length > 0),
    );
  return {
    events,
    subjects: { events: of("events"), "payments/v1": of("payments/v1"), "payments/v2": of("payments/v2") },
  };
}

export async function readReference(direct: Client): Promise<Reference> {
  return referenceOf(await Array.fromAsync(direct.read<Operation>()));
}

/** Returns the events that a consumer's database holds, by subject, in the order in which it handled them. */
export function heldBy(file: string): Map<string, Entry[]> {
  if (!existsSync(file)) return new Map();
  const database = new Database(file, { readonly: true });
  try {
    const rows = database.query(
      "select log, subject, version, source, type, data from entries order by number",
    );
    return Map.groupBy(rows.all() as Entry[], ({ subject }) => subject);
  } catch (error) {
    // It has just been made.
    if (error instanceof Error && error.message.includes("no such table")) return new Map();
    throw error;
  } finally {
    database.close();
  }
}

/**
 * Whether a subject's entries are what the consumer must have: all of its log; or, while it migrates and afterwards,
 * what the old version makes of events up to some position and the new version of those after it.
 */
function isRight(reference: Reference, options: ConsumerOptions, subject: string, held: readonly Entry[]) {
  const now = reference.subjects[options.log].get(subject) ?? [];
  if (options.migrateFrom === null) return Bun.deepEquals(held, now);
  const before = reference.subjects[options.migrateFrom].get(subject) ?? [];
  const switchedAfter = [0, ...before.map(({ source }) => source)];
  return switchedAfter.some((position) =>
    Bun.deepEquals(held, [
      ...before.filter(({ source }) => source <= position),
      ...now.filter(({ source }) => source > position),
    ]),
  );
}

/** A subject that a consumer has not got right. */
export interface Wrong {
  readonly consumer: string;
  readonly subject: string;
  readonly held: readonly Entry[];
  readonly now: readonly Entry[];
}

/** Compares all that a consumer holds with the reference. */
export function wrongIn(reference: Reference, options: ConsumerOptions): Wrong[] {
  const held = heldBy(options.file);
  const logs = options.migrateFrom === null ? [options.log] : [options.log, options.migrateFrom];
  const names = new Set([...held.keys(), ...logs.flatMap((log) => [...reference.subjects[log].keys()])]);
  return [...names]
    .filter((subject) => !isRight(reference, options, subject, held.get(subject) ?? []))
    .map((subject) => ({
      consumer: options.name,
      subject,
      held: held.get(subject) ?? [],
      now: reference.subjects[options.log].get(subject) ?? [],
    }));
}

/** Identifiers of events by position. */
export function idsOf({ events }: Reference): ReadonlyMap<number, string> {
  return new Map(events.map(({ position, data }) => [position, data.id]));
}

/**
 * Whether a consumer has caught up with the log as it was when `goal` was read: it holds the last event of each subject,
 * and nothing that the log does not have. `ids`: of all events of the log, read after the consumer's events.
 */
export function hasCaughtUp(
  goal: Reference,
  log: LogName,
  held: ReadonlyMap<string, readonly Entry[]>,
  ids: ReadonlyMap<number, string>,
): boolean {
  for (const entries of held.values()) {
    for (const { source, data } of entries) {
      if (ids.get(source) !== (JSON.parse(data) as Operation).id) return false;
    }
  }
  return [...goal.subjects[log]].every(([subject, entries]) => {
    const last = entries.at(-1)?.source ?? 0;
    return held.get(subject)?.some(({ source }) => source >= last) ?? false;
  });
}

/** Returns the operations whose acknowledgment a producer received. */
export function acknowledgedIn(file: string): Acknowledged[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Acknowledged);
}

/** The faults of the log, by identifiers of events. */
export interface LogFaults {
  /** Acknowledged, not removed by a restore, and not in the log. */
  readonly lost: readonly string[];
  /** In the log more than once. */
  readonly doubled: readonly string[];
  /** In the log, and acknowledged to nobody as being where they are. */
  readonly unacknowledged: readonly string[];
}

/**
 * Compares the log with the records of producers. `held` returns the position up to which the log has the events that
 * it had under an identity.
 */
export async function faultsOfLog(
  reference: Reference,
  acknowledged: readonly Acknowledged[],
  held: (identity: string) => Promise<number>,
): Promise<LogFaults> {
  const at = idsOf(reference);
  const lost: string[] = [];
  const known = new Map<number, string>();
  for (const { identity, events } of acknowledged) {
    const upTo = await held(identity);
    for (const { position: first, ids } of events) {
      for (const [n, id] of ids.entries()) {
        const position = first + n;
        if (position > upTo) continue;
        known.set(position, id);
        if (at.get(position) !== id) lost.push(id);
      }
    }
  }
  const seen = new Set<string>();
  const doubled: string[] = [];
  const unacknowledged: string[] = [];
  for (const [position, id] of at) {
    if (seen.has(id)) doubled.push(id);
    seen.add(id);
    if (!id.startsWith(MARK) && known.get(position) !== id) unacknowledged.push(id);
  }
  return { lost, doubled, unacknowledged };
}
