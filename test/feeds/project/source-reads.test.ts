import { expect, test } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import type { Feed } from "../../../src/feeds/feed.ts";
import { type RegisteredFeed, registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { createProjector } from "../../../src/feeds/project/projector.ts";
import { createSourceReads } from "../../../src/feeds/project/source-reads.ts";
import { SELECT_SOURCE_STATE } from "../../../src/feeds/project/source-state.ts";
import type { Database } from "../../../src/storage/database.ts";
import { takeLease } from "../../../src/storage/lease.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import type { TestApp } from "../../support/app.ts";
import { copied, sketch } from "../../support/feeds.ts";
import { allEvents } from "../feed-contents.ts";

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened));

/** Projects feeds in a group, each in one step at the same time as the others, and counts the reads of events. */
async function projectTogether(feeds: readonly Feed[]) {
  const { writer } = app.store;
  const registered = await registerFeeds(database, systemClock, feeds);
  let eventReads = 0;
  const counting: Database = {
    ...database,
    read(statement) {
      if (statement.sql.includes("from events as event")) eventReads += 1;
      return database.read(statement);
    },
  };
  const reads = createSourceReads(counting, systemClock, registered);
  const deps = { database: counting, writer, clock: systemClock, onPublished: () => {}, reads };
  const step = async (feed: RegisteredFeed) => {
    const lease = await takeLease(writer, feed.log.name, "me");
    if (lease === null) throw new Error("the lease is not free");
    return { projector: createProjector(deps, feed), options: { lease, retry: false, flush: false } };
  };
  const ready = await Promise.all(registered.map(step));
  const steps = await Promise.all(ready.map(({ projector, options }) => projector.step(options)));
  await Promise.all(ready.map(({ projector }) => projector.settle()));
  const published = await Promise.all(registered.map(({ log }) => allEvents(database, { log })));
  return {
    eventReads,
    kinds: steps.map(({ kind }) => kind),
    published: published.map((events) => events.map(({ subject, data }) => [subject, data])),
  };
}

test("feeds at the same place read the events once, and a handler that changes an event changes no other feed's", async () => {
  const changing = (event: Parameters<typeof copied>[0]) => {
    Object.assign(event.data as object, { n: "changed" });
    return copied(event);
  };
  await app.append("s-1", { type: "A", data: { n: 1 } }, { type: "B", data: { n: 2 } });
  const feeds = [
    sketch({ name: "changing", project: changing }),
    sketch({ name: "a" }),
    sketch({ name: "b" }),
  ];
  const { eventReads, published } = await projectTogether(feeds);
  const unchanged = [1, 2].map((n) => ["s-1", { n }]);
  expect(published).toEqual([unchanged.map(() => ["s-1", { n: "changed" }]), unchanged, unchanged]);
  expect(eventReads).toBe(1);
});

test("feeds of other types and streams share a read as well, and each publishes its own", async () => {
  await app.append("x-1", { type: "A", data: 1 }, { type: "B", data: 2 });
  await app.append("y-1", { type: "A", data: 3 }, { type: "B", data: 4 });
  const { eventReads, published } = await projectTogether([
    sketch({ name: "types", source: { types: ["A"] } }),
    sketch({ name: "streams", source: { prefixes: ["y-"] } }),
    sketch({ name: "neither", source: { types: ["A"], prefixes: ["z-"] } }),
  ]);
  expect(published).toEqual([
    [
      ["x-1", 1],
      ["y-1", 3],
    ],
    [
      ["y-1", 3],
      ["y-1", 4],
    ],
    [],
  ]);
  expect(eventReads).toBe(1);
});

test("feeds share the state of their source in a turn, and a feed that asks again gets a new one", async () => {
  const feeds = await registerFeeds(database, systemClock, [sketch({ name: "a" }), sketch({ name: "b" })]);
  const [a, b] = feeds;
  if (a === undefined || b === undefined) throw new Error("there are two feeds");
  let stateReads = 0;
  const read: Database["read"] = () => Promise.resolve([[(stateReads += 1)]]);
  const reads = createSourceReads({ ...database, read }, systemClock, feeds);
  const ask = async (feed: RegisteredFeed) =>
    (await reads.stateReadBy(feed)({ sql: SELECT_SOURCE_STATE, args: [0] }))[0]?.[0];
  expect([await ask(a), await ask(b), await ask(b), await ask(a), await ask(a)]).toEqual([1, 1, 2, 2, 3]);
  await systemClock.yield();
  expect(await ask(b)).toBe(4);
});

test("a feed that halts leaves the others of its source alone", async () => {
  await app.append("s-1", { type: "A", data: 1 }, { type: "Bad", data: 2 }, { type: "A", data: 3 });
  const { kinds, published } = await projectTogether([
    sketch({ name: "strict" }),
    sketch({ name: "tolerant" }),
  ]);
  expect(kinds).toEqual(["halted", "projected"]);
  expect(published.map((events) => events.map(([, data]) => data))).toEqual([[1], [1, 2, 3]]);
});
