import { expect, test } from "bun:test";

import { type AlignedEvent, alignEvents, differs } from "../../../src/console/subject/alignment.ts";

const source = (position: number, type = "Internal"): AlignedEvent => ({
  id: String(position),
  position,
  version: position,
  type,
  data: {},
  erased: false,
});

const published = (id: number, projectedFrom: number, type: string, data: unknown = {}): AlignedEvent => ({
  ...source(id, type),
  data,
  projectedFrom,
});

test("alignment: each event of the stream stands next to the events that were projected from it", () => {
  const rows = alignEvents(
    [source(9), source(4)],
    [
      { feed: "users", events: [published(2, 9, "B"), published(1, 4, "A")] },
      { feed: "cards", events: [published(7, 9, "C"), published(8, 9, "D")] },
    ],
  );
  expect(
    rows.map(({ origin, source: from, cells }) => [
      origin,
      from?.position,
      ...cells.map(({ events }) => events.map(({ event }) => event.type).join()),
    ]),
  ).toEqual([
    [9, 9, "B", "C,D"],
    [4, 4, "A", ""],
  ]);
});

test("alignment: a version is compared with the version of its feed before it, and with no other feed", () => {
  const [row] = alignEvents(
    [source(1)],
    [
      { feed: "cards", events: [published(1, 1, "C")] },
      { feed: "users", events: [published(1, 1, "A", { amount: 1, name: "x" })] },
      { feed: "users", events: [published(1, 1, "B", { cents: 100, name: "x" })] },
      { feed: "users", events: [published(1, 1, "B", { cents: 100, name: "x" })] },
    ],
  );
  expect(row?.cells.map(({ events }) => events[0]?.comparison)).toEqual([
    { kind: "first" },
    { kind: "first" },
    {
      kind: "different",
      typeBefore: "A",
      differences: [
        { pointer: "/amount", left: 1, right: undefined },
        { pointer: "/cents", left: undefined, right: 100 },
      ],
    },
    { kind: "same" },
  ]);
});

test("alignment: events that only one of two versions publishes are marked on the later one", () => {
  const rows = alignEvents(
    [source(2), source(1)],
    [
      { feed: "users", events: [published(1, 1, "A"), published(2, 1, "B")] },
      { feed: "users", events: [published(1, 1, "A"), published(2, 2, "C")] },
    ],
  );
  const [added, missing] = rows.map(({ cells }) => cells[1]);
  expect(added?.events.map(({ comparison }) => comparison.kind)).toEqual(["added"]);
  expect([missing?.events.length, missing?.missing.map(({ type }) => type)]).toEqual([1, ["B"]]);
  expect(rows.map(differs)).toEqual([true, true]);
});

test("alignment: an event whose origin is not in the stream has a row of its own", () => {
  const rows = alignEvents([source(2)], [{ feed: "users", events: [published(1, 5, "A")] }]);
  expect(rows.map(({ origin, source: from }) => [origin, from === null])).toEqual([
    [5, true],
    [2, false],
  ]);
  expect(rows.map(differs)).toEqual([false, false]);
});
