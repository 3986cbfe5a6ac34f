import type { KildeEvent } from "../../core/read-event.ts";

/** The parts of an event that connect it with others. */
export type CausedEvent = Pick<KildeEvent, "id" | "cursor" | "position" | "metadata" | "attributes">;

/** An event, and the events that it caused. */
export interface CausationTree<Event> {
  readonly event: Event;
  /** In the order of the log. */
  readonly effects: readonly CausationTree<Event>[];
}

/**
 * The texts by which another event may name an event as its cause: its id or cursor, and the ids that its producer gave it.
 */
function namesOf({ id, cursor, metadata, attributes }: CausedEvent): readonly unknown[] {
  return [id, cursor, attributes["originid"], metadata["id"]];
}

/** Finds the cause of each event among events. An event precedes its effects, so a circle of names has no cause. */
function causesAmong<Event extends CausedEvent>(events: readonly Event[]): ReadonlyMap<Event, Event> {
  const named = new Map<unknown, Event>();
  for (const event of events) {
    for (const name of namesOf(event)) if (name !== undefined && !named.has(name)) named.set(name, event);
  }
  const causes = new Map<Event, Event>();
  for (const event of events) {
    const { causationId } = event.metadata;
    const cause = causationId === undefined ? undefined : named.get(causationId);
    if (cause !== undefined && cause.position < event.position) causes.set(event, cause);
  }
  return causes;
}

/** Arranges events below those that caused them; the roots have no cause among the events. */
export function causationTrees<Event extends CausedEvent>(
  events: readonly Event[],
): readonly CausationTree<Event>[] {
  const ordered = events.toSorted((one, other) => one.position - other.position);
  const causes = causesAmong(ordered);
  const effects = new Map<Event | undefined, Event[]>();
  for (const event of ordered) {
    const cause = causes.get(event);
    effects.set(cause, [...(effects.get(cause) ?? []), event]);
  }
  const treesOf = (cause: Event | undefined): CausationTree<Event>[] =>
    (effects.get(cause) ?? []).map((event) => ({ event, effects: treesOf(event) }));
  return treesOf(undefined);
}

/** The position that an event names as its cause; null: it names none, or by another id. */
export function causePosition({ metadata: { causationId } }: Pick<KildeEvent, "metadata">): number | null {
  const [, digits] = /^(\d{1,15})(?:-[\da-f]{16})?$/.exec(causationId ?? "") ?? [];
  return digits === undefined || Number(digits) === 0 ? null : Number(digits);
}

function contains<Event extends CausedEvent>(
  { event, effects }: CausationTree<Event>,
  isWanted: (event: Event) => boolean,
): boolean {
  return isWanted(event) || effects.some((effect) => contains(effect, isWanted));
}

/** The trees that have an event, or one of the same correlation. */
export function connectedTrees<Event extends CausedEvent>(
  trees: readonly CausationTree<Event>[],
  { position, metadata: { correlationId } }: CausedEvent,
): readonly CausationTree<Event>[] {
  return trees.filter((tree) =>
    contains(
      tree,
      (event) =>
        event.position === position ||
        (correlationId !== undefined && event.metadata.correlationId === correlationId),
    ),
  );
}
