import { expect } from "bun:test";

import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { ERASED_IN_PART_TYPE, EVENT_ERASED_TYPE } from "../../src/core/event.ts";
import type { SourceEvent } from "../../src/feeds/define/define.ts";
import type { Feed } from "../../src/feeds/feed.ts";
import type { RegisteredFeed } from "../../src/feeds/lifecycle/register.ts";
import { pageBody } from "../../src/http/log/page-body.ts";
import type { Database } from "../../src/storage/database.ts";
import { type LogReader, openLogReader } from "../../src/log/read/reader.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import type { WireEvent } from "../support/app.ts";

/** The events of a log, or of one of its subjects. */
export async function eventsOf(reader: LogReader, subject: string | null = null): Promise<WireEvent[]> {
  const query = { subject, direction: "forwards", limit: 100_000, filter: {} } as const;
  const { parts } = pageBody((await reader.page(query, "array")).parts, "array");
  return (await new Response(new Blob([...parts])).json()) as WireEvent[];
}

export async function allEvents(
  database: Database,
  { log }: Pick<RegisteredFeed, "log">,
): Promise<WireEvent[]> {
  const deps = { database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 1_000 };
  return eventsOf(openLogReader(deps, log));
}

export function isOfErasure({ type }: WireEvent): boolean {
  return type === EVENT_ERASED_TYPE || type === ERASED_IN_PART_TYPE;
}

/** The events of each subject as they are, but for where in the feed they stand. */
export function bySubject(events: readonly WireEvent[]): Map<string, object[]> {
  const subjects = new Map<string, object[]>();
  for (const { id: _, source: _source, logidentity: _identity, ...event } of events)
    subjects.set(event.subject, [...(subjects.get(event.subject) ?? []), event]);
  return subjects;
}

/** Subjects of which events were erased. Events that were erased before they were projected never had versions. */
export function erasedIn(events: readonly WireEvent[]): string[] {
  const reports = events.filter(
    (event) => isOfErasure(event) || event.type === "kilde.erased" || event.type === "Forgotten",
  );
  return reports.map(({ subject }) => subject);
}

/** The published events of each subject, without the reports of erasures, and without the versions of some subjects. */
export function published(events: readonly WireEvent[], erased: ReadonlySet<string>): Map<string, object[]> {
  const left = events.filter((event) => !isOfErasure(event));
  return bySubject(left.map((event) => (erased.has(event.subject) ? { ...event, sequence: "" } : event)));
}

/** Every erased event is named by a later event of its subject, and nothing else is. */
export function checkReports(events: readonly WireEvent[]): void {
  const named = new Map<string, Set<number>>();
  for (const { subject, type, sequence, data } of events) {
    if (type !== ERASED_IN_PART_TYPE) continue;
    const versions = named.get(subject) ?? new Set();
    for (const [low, high] of (data as { versions: [number, number][] }).versions) {
      expect(high).toBeLessThan(Number(sequence));
      for (let version = low; version <= high; version += 1) versions.add(version);
    }
    named.set(subject, versions);
  }
  for (const event of events) {
    const isNamed = named.get(event.subject)?.has(Number(event.sequence)) ?? false;
    if (event.type === EVENT_ERASED_TYPE) expect(isNamed).toBe(true);
    else if (event.type !== ERASED_IN_PART_TYPE) expect(isNamed).toBe(false);
    if (event.type === EVENT_ERASED_TYPE) expect(event).not.toHaveProperty("data");
  }
}

/** The state of each subject, by name. */
export async function statesOf(database: Database, { log }: RegisteredFeed): Promise<unknown> {
  const rows = await database.read({
    sql: `select subject.name, kept.state from subjects as subject join feed_subjects as kept on kept.subject = subject.id
      where subject.log = ? and kept.state is not null order by subject.name`,
    args: [log.id],
  });
  return rows.map((row) => [row[0], row[1]]);
}

export function sourceEvent(event: WireEvent): SourceEvent {
  return {
    type: event.type,
    subject: event.subject,
    version: Number(event.sequence),
    position: Number(event["projectedfrom"] ?? event.id),
    time: event.time,
    data: event.data ?? null,
    extensions: {},
  };
}

/** The output of the handlers, called in a loop. */
export function folded(feed: Feed, source: readonly WireEvent[]): Map<string, string[]> {
  const states = new Map<string, string | null>();
  const texts = new Map<string, string[]>();
  for (const event of source.map(sourceEvent)) {
    const { types, prefixes } = feed.source;
    if (!types.includes(event.type)) continue;
    if (prefixes.length > 0 && !prefixes.some((prefix) => event.subject.startsWith(prefix))) continue;
    const subject = feed.subjectOf(event);
    if (subject === null) continue;
    const known = event.type === "kilde.erased" ? null : (states.get(subject) ?? null);
    const { state, events, erased } = feed.project(subject, event, known);
    states.set(subject, state);
    const ends = erased || (event.type === "kilde.erased" && events.length === 0 && !feed.rekeyed);
    const all = ends ? ["kilde.erased"] : events.map(({ type, data }) => `${type} ${data}`);
    texts.set(subject, [...(texts.get(subject) ?? []), ...all]);
  }
  return new Map([...texts].filter(([, events]) => events.length > 0));
}

export function shortForm(events: readonly WireEvent[]): Map<string, string[]> {
  const texts = new Map<string, string[]>();
  for (const { subject, type, data } of events.filter((event) => !isOfErasure(event))) {
    const text = type === "kilde.erased" ? type : `${type} ${JSON.stringify(data)}`;
    texts.set(subject, [...(texts.get(subject) ?? []), text]);
  }
  return texts;
}

/** The events of a feed's source in the order in which they count. */
export async function sourceOf(database: Database, { source, merges }: RegisteredFeed): Promise<WireEvent[]> {
  const events = await allEvents(database, { log: source });
  const origin = (event: WireEvent) => Number(event["projectedfrom"]);
  return merges ? events.toSorted((a, b) => origin(a) - origin(b)) : events;
}
