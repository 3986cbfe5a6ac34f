import { groupBy } from "../../core/group-by.ts";
import type { KildeEvent } from "../../core/read-event.ts";
import { type ValueDifference, valueDifferences } from "../../core/value-differences.ts";

/** The parts of an event that are compared. */
export type AlignedEvent = Pick<
  KildeEvent,
  "id" | "position" | "version" | "type" | "data" | "projectedFrom" | "erased"
>;

/** How an event of a version relates to its counterpart in the version before. */
export type Comparison =
  /** There is no version before it. */
  | { readonly kind: "first" }
  | { readonly kind: "same" }
  /** The version before has no counterpart. */
  | { readonly kind: "added" }
  | {
      readonly kind: "different";
      /** Type of the counterpart; null: it is the same. */
      readonly typeBefore: string | null;
      readonly differences: readonly ValueDifference[];
    };

/** An event that a version published, compared with the version before. */
export interface ComparedEvent<Event> {
  readonly event: Event;
  readonly comparison: Comparison;
}

/** The events that one version published of one event. */
export interface AlignedCell<Event> {
  readonly events: readonly ComparedEvent<Event>[];
  /** Events of the version before without a counterpart here. */
  readonly missing: readonly Event[];
}

/** An event of the event log, next to the events that each version published of it. */
export interface AlignedRow<Event> {
  /** Position in the event log; null: the feed does not record it. */
  readonly origin: number | null;
  /** Null: it belongs to another stream, or it may not be read. */
  readonly source: Event | null;
  /** In the order of the versions. */
  readonly cells: readonly AlignedCell<Event>[];
}

/** The events that one version of a feed published about a subject. */
export interface PublishedEvents<Event> {
  /** Only versions of one feed are compared. */
  readonly feed: string;
  readonly events: readonly Event[];
}

function compared<Event extends AlignedEvent>(event: Event, before: Event | undefined): Comparison {
  if (before === undefined) return { kind: "added" };
  const differences = valueDifferences(before.data, event.data);
  const typeBefore = before.type === event.type ? null : before.type;
  return differences.length === 0 && typeBefore === null
    ? { kind: "same" }
    : { kind: "different", typeBefore, differences };
}

function cellOf<Event extends AlignedEvent>(
  events: readonly Event[],
  before: readonly Event[] | null,
): AlignedCell<Event> {
  if (before === null)
    return { events: events.map((event) => ({ event, comparison: { kind: "first" } })), missing: [] };
  return {
    events: events.map((event, index) => ({ event, comparison: compared(event, before[index]) })),
    missing: before.slice(events.length),
  };
}

/**
 * Aligns the events that versions of feeds published about a subject with those of its stream, the latest first. Each version
 * is compared with the version of its feed that precedes it; events of one origin correspond in their order.
 */
export function alignEvents<Event extends AlignedEvent>(
  stream: readonly Event[],
  publications: readonly PublishedEvents<Event>[],
): readonly AlignedRow<Event>[] {
  const sources = new Map(stream.map((event) => [event.position, event]));
  const byOrigin = publications.map(({ events }) =>
    groupBy(events, ({ projectedFrom }) => projectedFrom ?? null),
  );
  const origins = new Set<number | null>([
    ...sources.keys(),
    ...byOrigin.flatMap((each) => [...each.keys()]),
  ]);
  const cellsOf = (origin: number | null): AlignedCell<Event>[] =>
    publications.map(({ feed }, index) => {
      const ofOrigin = (version: number): readonly Event[] => byOrigin[version]?.get(origin) ?? [];
      const hasBefore = publications[index - 1]?.feed === feed;
      return cellOf(ofOrigin(index), hasBefore ? ofOrigin(index - 1) : null);
    });
  return [...origins]
    .toSorted((one, other) => (other ?? 0) - (one ?? 0))
    .map((origin) => ({
      origin,
      source: origin === null ? null : (sources.get(origin) ?? null),
      cells: cellsOf(origin),
    }));
}

/** Whether versions published something else of the event. */
export function differs({ cells }: AlignedRow<unknown>): boolean {
  return cells.some(
    ({ events, missing }) =>
      missing.length > 0 ||
      events.some(({ comparison: { kind } }) => kind === "added" || kind === "different"),
  );
}
