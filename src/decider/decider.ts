import type { SnapshotPolicy } from "./snapshot.ts";

/** A domain event: a type, and data that JSON can carry. */
export interface DomainEvent {
  readonly type: string;
  readonly data?: unknown;
}

/**
 * The decision logic of one kind of stream. All of it is pure: no clock, no random numbers, no input or output; the
 * command carries everything a decision needs. `Event` is a union of `{ type, data }`, with `data` as parsed JSON.
 * Create each decider once: the handler caches its states by object identity.
 */
export interface Decider<Command, Event extends DomainEvent, State> {
  /** The state of a stream without events. All streams share it, and nothing changes it. */
  readonly initial: State;
  /**
   * Decides a command: returns one event, several, or none. Throws the error for the caller when it rejects the
   * command.
   */
  decide(command: Command, state: State): Event | readonly Event[];
  /**
   * Returns the state after an event, as a new object. Streams may hold event types that this version of the program
   * does not know: return the state unchanged to ignore them, or throw.
   */
  evolve(state: State, event: Event): State;
  /**
   * Snapshots of the state. Default: none, so that a state which is not in memory is folded from the stream's first
   * event.
   */
  readonly snapshot?: SnapshotPolicy<State>;
  /**
   * How a command to an erased stream is handled: `"refuse"` (the default) throws `stream-erased`; `"restart"`
   * decides it on the initial state, and versions continue after the tombstone.
   */
  readonly erased?: "refuse" | "restart";
}

/** An event as `evolve` gets it, reduced to the members that a read event and a decided one share. */
export function folded<Event extends DomainEvent>({ type, data }: DomainEvent): Event {
  // The author of the decider states the types of the stream's events.
  return (data === undefined ? { type } : { type, data }) as Event;
}

/** Decides a command, and returns the events as the log will return them. */
export function decideEvents<Command, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
  command: Command,
  state: State,
): readonly Event[] {
  const decided = decider.decide(command, state);
  const events: readonly Event[] = Array.isArray(decided)
    ? (decided as readonly Event[])
    : [decided as Event];
  return events.map(({ type, data }) =>
    folded<Event>({
      type,
      data: data === undefined ? undefined : (JSON.parse(JSON.stringify(data)) as unknown),
    }),
  );
}

/**
 * The state after an event. Throws a TypeError when `evolve` returns undefined, as it does for a type without a case.
 */
export function evolveState<Command, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
  state: State,
  event: Event,
): State {
  const next = decider.evolve(state, event);
  if (next === undefined) {
    throw new TypeError(
      `evolve returned no state for an event of type ${JSON.stringify(event.type)}: return the state unchanged to ignore it, or throw`,
    );
  }
  return next;
}
