import { expect, test } from "bun:test";

import {
  type CausationTree,
  type CausedEvent,
  causationTrees,
  causePosition,
  connectedTrees,
} from "../../../src/console/causation/causation.ts";

const event = (position: number, causationId?: string, own: Partial<CausedEvent> = {}): CausedEvent => ({
  id: String(position),
  cursor: `${position}-0123456789abcdef`,
  position,
  attributes: {},
  ...own,
  metadata: { ...(causationId === undefined ? {} : { causationId }), ...own.metadata },
});

function text({ event: { id }, effects }: CausationTree<CausedEvent>): string {
  return id + (effects.length === 0 ? "" : `(${effects.map(text).join(" ")})`);
}

test("causation: events stand below the event that caused them, in the order of the log", () => {
  const events = [event(9, "2"), event(5, "2"), event(2, "1"), event(1), event(7, "5")];
  expect(causationTrees(events).map(text)).toEqual(["1(2(5(7) 9))"]);
});

test("causation: a cause is named by its cursor, or by an id of its producer, as well", () => {
  const events = [
    event(1),
    event(2, "1-0123456789abcdef", { attributes: { originid: "order:7" } }),
    event(3, "order:7", { metadata: { id: "step-3" } }),
    event(4, "step-3"),
  ];
  expect(causationTrees(events).map(text)).toEqual(["1(2(3(4)))"]);
});

test("causation: an event without a known cause is a root", () => {
  expect(causationTrees([event(4, "3"), event(8, "elsewhere"), event(9)]).map(text)).toEqual(["4", "8", "9"]);
});

test("causation: events that name themselves or each other lose none of them", () => {
  expect(causationTrees([event(3, "3"), event(4, "5"), event(5, "4")]).map(text)).toEqual(["3", "4(5)"]);
});

test("causation: only ids of the log are positions", () => {
  const positionOf = (causationId?: string) => causePosition(event(9, causationId));
  expect([positionOf("12"), positionOf("12-0123456789abcdef")]).toEqual([12, 12]);
  expect([positionOf(), positionOf("0"), positionOf("order-12"), positionOf("12-x")]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

test("causation: only trees with the event, or one of its correlation, are connected with it", () => {
  const correlated = { metadata: { correlationId: "signup-1" } };
  const focus = event(4, "3", correlated);
  const events = [event(1), event(2, "1"), event(3), focus, event(5), event(6, "5", correlated)];
  expect(connectedTrees(causationTrees(events), focus).map(text)).toEqual(["3(4)", "5(6)"]);
  expect(connectedTrees(causationTrees(events), event(2, "1")).map(text)).toEqual(["1(2)"]);
});
