import { errorText } from "../core/error-text.ts";
import assert from "node:assert/strict";

import { deepFreeze } from "../core/json-value.ts";
import { decideEvents, type Decider, type DomainEvent, evolveState, folded } from "./decider.ts";

/** What is expected of a decision. */
export interface ThenDecides<Event, State> {
  /** Throws an AssertionError with the difference if the command is refused, or decides anything else. */
  thenEvents(expected: readonly Event[]): void;
  /** The state after the events that are decided. */
  thenState(expected: State): void;
  /** Throws an AssertionError if the command is not refused, or with another message. */
  thenFails(message: RegExp): void;
}

/** A decider with what has happened so far. */
export interface When<Command, Event, State> {
  when(command: Command): ThenDecides<Event, State>;
}

function asRead<Event extends DomainEvent>(event: DomainEvent): Event {
  return folded<Event>(JSON.parse(JSON.stringify(event)) as DomainEvent);
}

/** Decides in a test as a handler would; what must not be changed is frozen. */
export function givenDecider<Command, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
  events: readonly Event[],
): When<Command, Event, State> {
  const evolved = (from: State, happened: readonly Event[]): State =>
    happened.reduce(
      (state, event) => deepFreeze(evolveState(decider, state, deepFreeze(asRead<Event>(event)))),
      from,
    );
  const stateNow = () => evolved(deepFreeze(decider.initial), events);
  return {
    when(command) {
      const decided = (state: State) => decideEvents(decider, command, state);
      return {
        thenEvents(expected) {
          assert.deepStrictEqual(decided(stateNow()), expected.map(asRead));
        },
        thenState(expected) {
          const state = stateNow();
          assert.deepStrictEqual(evolved(state, decided(state)), expected);
        },
        thenFails(message) {
          const state = stateNow();
          let said: readonly Event[];
          try {
            said = decided(state);
          } catch (error) {
            assert.match(errorText(error), message);
            return;
          }
          assert.fail(`The command was not refused, and decided ${JSON.stringify(said, null, 2)}`);
        },
      };
    },
  };
}
