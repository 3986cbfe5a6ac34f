import { expect, test } from "bun:test";

import { CONNECTION_TOPIC } from "../../../src/console/live/topics.ts";
import { createFedLive } from "../../../src/console/live/live.ts";

test("live: a change counts for its topics alone, and a log's head is known at once", () => {
  const live = createFedLive();
  const [feed, other, feeds] = ["/feeds/orders/v1", "/feeds/orders/v2", "feeds"].map((topic) =>
    live.revision(topic),
  );
  live.apply({ logs: { "/feeds/orders/v1": 7 } });
  expect([feed?.value, other?.value, feeds?.value]).toEqual([1, 0, 1]);
  expect(live.head("/feeds/orders/v1").value).toBe(7);
  live.apply({ consumers: true, keys: 3 });
  expect([feed?.value, live.revision("consumers").value, live.revision("keys").value]).toEqual([1, 1, 1]);
});

test("live: a new connection may have missed changes, so everything counts as changed", () => {
  const live = createFedLive();
  const revisions = ["/events", "subscriptions"].map((topic) => live.revision(topic));
  live.changeAll();
  expect(revisions.map(({ value }) => value)).toEqual([1, 1]);
});

test("live: a connection after a lost one is a change of its own, and the first one is none", () => {
  const live = createFedLive();
  const connection = live.revision(CONNECTION_TOPIC);
  live.setStatus("live");
  live.changeAll();
  expect(connection.value).toBe(0);
  live.setStatus("offline");
  live.setStatus("live");
  live.changeAll();
  expect(connection.value).toBe(1);
});
