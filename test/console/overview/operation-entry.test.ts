import { expect, test } from "bun:test";

import { operationEntry } from "../../../src/console/overview/operation-entry.ts";

const entry = (type: string, subject: string, data: unknown = { principal: null }) =>
  operationEntry({ type, subject, data });

test("operations: an entry has its change in words, its author and the reason", () => {
  const data = { principal: "ida", reason: "nobody reads it" };
  expect(entry("kilde.feed.retired", "/feeds/users/v1", data)).toEqual({
    title: "feed retired",
    resource: "/feeds/users/v1",
    principal: "ida",
    reason: "nobody reads it",
    view: { name: "feeds/users/v1" },
  });
  expect(entry("kilde.feed.halted", "/feeds/users/v1")).toMatchObject({ principal: null, reason: null });
});

test.each([
  ["/streams/a%2Fb", { name: "stream", query: { name: "a/b" } }],
  ["/streams/a/consumers/b", { name: "stream", query: { name: "a/consumers/b" } }],
  ["/subscriptions/sub_1", { name: "webhooks/sub_1" }],
  [
    "/feeds/users/v1/consumers/c%20d",
    { name: "consumers", query: { log: "/feeds/users/v1", consumer: "c d" } },
  ],
  ["/events/consumers/cards", { name: "consumers", query: { log: "/events", consumer: "cards" } }],
  ["/keys/key_1", { name: "keys/key_1" }],
  ["/keys", null],
  ["/streams/%", { name: "stream", query: { name: "%" } }],
])("operations: an entry about %s leads to its view", (subject, view) => {
  expect(entry("kilde.test", subject).view).toEqual(view);
});

test("operations: data of another form is shown without its parts", () => {
  expect(entry("kilde.test", "/keys", "text")).toMatchObject({ principal: null, reason: null });
});
