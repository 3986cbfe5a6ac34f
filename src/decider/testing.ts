import { errorText } from "../core/error-text.ts";
import assert from "node:assert/strict";

import { deepFreeze } from "../core/json-value.ts";
import { decideEvents, type Decider, type DomainEvent, evolveState, folded } from "./decider.ts";

/** Expectations for a decision. */
export interface ThenDecides<Event, State> {
  /** Throws an AssertionError with the difference if the decider rejects the command, or decides other events. */
  thenEvents(expected: readonly Event[]): void;
  /** Throws an AssertionError if the state after the decided events differs. */
  thenState(expected: State): void;
  /** Throws an AssertionError if the decider does not reject the command, or does so with another message. */
  thenFails(message: RegExp): void;
}

/** A decider with its past events. */
export interface When<Command, Event, State> {
  when(command: Command): ThenDecides<Event, State>;
}

function asRead<Event extends DomainEvent>(event: DomainEvent): Event {
  return folded<Event>(JSON.parse(JSON.stringify(event)) as DomainEvent);
}

/** Decides a command in a test like a command handler. Freezes the values that a decider must not change. */
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
          let outcome: readonly Event[];
          try {
            outcome = decided(state);
          } catch (error) {
            assert.match(errorText(error), message);
            return;
          }
          assert.fail(`The command was not rejected, and decided ${JSON.stringify(outcome, null, 2)}`);
        },
      };
    },
  };
}
