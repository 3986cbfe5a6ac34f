import type { SnapshotPolicy } from "./snapshot.ts";

/** What happened: a type, and data that JSON can carry. */
export interface DomainEvent {
  readonly type: string;
  readonly data?: unknown;
}

/**
 * How one kind of stream takes decisions. All of it is pure: no clock, no chance, no input or output; what a decision
 * needs to know of the world is in the command. `Event` is a union of `{ type, data }`, `data` as JSON gives it back.
 *
 * Make each decider once: its states are remembered by which object it is.
 */
export interface Decider<Command, Event extends DomainEvent, State> {
  /** The state of a stream without events. It is shared by all streams, and never changed. */
  readonly initial: State;
  /** What a command brings about: an event, several, or none. Throws what the caller is to be told when it is refused. */
  decide(command: Command, state: State): Event | readonly Event[];
  /**
   * The state after an event. Gives a new state and leaves the one before as it was. Streams may hold types that this
   * version of the program does not know: return the state as it is to pass them over, or throw.
   */
  evolve(state: State, event: Event): State;
  /** Absent: the state is always folded from the stream's first event, unless it is in memory. */
  readonly snapshot?: SnapshotPolicy<State>;
  /**
   * What a command to an erased stream is: refused (`stream-erased`), which is the default, or, with `"restart"`,
   * decided on the initial state. Versions go on after the tombstone.
   */
  readonly erased?: "refuse" | "restart";
}

/** An event as `evolve` sees it, whether it was read or has just been decided: only what is the same in both. */
export function folded<Event extends DomainEvent>({ type, data }: DomainEvent): Event {
  // That the stream holds what the decider says it does is the claim of whoever wrote the decider.
  return (data === undefined ? { type } : { type, data }) as Event;
}

/** Decides, with the events as they will come back from the log. */
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

/** The state after an event. Throws a TypeError when `evolve` gives none, as one does that leaves a type out. */
export function evolveState<Command, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
  state: State,
  event: Event,
): State {
  const next = decider.evolve(state, event);
  if (next === undefined) {
    throw new TypeError(
      `evolve gave no state for an event of type ${JSON.stringify(event.type)}: return the state as it is to pass it over, or throw`,
    );
  }
  return next;
}
