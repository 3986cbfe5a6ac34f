import { afterEach, beforeEach, expect, test } from "bun:test";

import { type Consumer, eventLog, type Reconstitution } from "../../src/consumer/index.ts";
import { createClient, type KildeEvent } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { libsqlEffects, network, quickConsumer, URL } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const STREAMS = 25;

let app: TestApp;
let net: ReturnType<typeof network>;
let effects: ReturnType<typeof libsqlEffects>;
let consumer: Consumer;
let bad: Set<string>;
beforeEach(async () => {
  app = await openApp();
  net = network(() => app);
  effects = libsqlEffects();
  await effects.read();
  bad = new Set();
  consumer = make();
});
afterEach(async () => {
  net.heal();
  await consumer.stop();
  await effects.dispose();
  await app.close();
});

function make(options: Partial<Parameters<typeof quickConsumer>[0]> = {}): Consumer {
  return quickConsumer({
    feed: eventLog(),
    name: "cards",
    transport: "push",
    store: effects.store,
    async handle(event, tx) {
      if (bad.has(event.subject)) throw new Error("bad");
      await effects.record(tx, event.subject, String(event.version));
    },
    client: { fetch: net.fetch },
    ...(options as object),
  });
}

/** Appends three events to each stream, and returns all. */
async function fill(): Promise<KildeEvent[]> {
  for (let index = 0; index < STREAMS; index += 1) {
    await app.append(`s-${String(index).padStart(3, "0")}`, { type: "A" }, { type: "B" }, { type: "C" });
  }
  return Array.fromAsync(createClient({ url: URL, fetch: net.fetch }).read());
}

const isLast = (event: KildeEvent) => event.version === 3;

async function expectWhole(versions = 3): Promise<void> {
  const read = await effects.read();
  expect(Object.keys(read)).toHaveLength(STREAMS);
  for (const entries of Object.values(read)) {
    expect(entries).toEqual(Array.from({ length: versions }, (_, index) => String(index + 1)));
  }
}

test("lost last events are found and healed, without other requests", async () => {
  const events = await fill();
  await consumer.receive(events.filter((event) => !isLast(event) || event.position % 2 === 0));
  const lost = events.filter((event) => isLast(event) && event.position % 2 === 1);
  const before = await effects.read();
  for (const { subject } of lost) expect(before[subject]).toEqual(["1", "2"]);

  const sent = net.requests.length;
  const found = await consumer.reconstitute({ pageSize: 10 });
  expect(found).toMatchObject({
    changedSince: null,
    head: 75,
    checked: STREAMS,
    healedSubjects: lost.length,
    healedEvents: lost.length,
    failed: [],
    ahead: [],
    // The head, three pages, and a pull for each.
    requests: 4 + lost.length,
  });
  expect(net.requests.slice(sent)).toHaveLength(4 + lost.length);
  expect(found.healed).toContainEqual({ subject: lost[0]?.subject ?? "", from: 2, to: 3 });
  await expectWhole();
  expect(consumer.status().position).toBe(75);
});

test("subjects without any delivered event are found too", async () => {
  await fill();
  expect(await consumer.reconstitute()).toMatchObject({ healedSubjects: STREAMS, healedEvents: 75 });
  await expectWhole();
});

test("the next one checks only the changes since, unless `all` is set", async () => {
  await consumer.receive(await fill());
  await consumer.reconstitute();
  net.requests.length = 0;
  expect(await consumer.reconstitute()).toMatchObject({ checked: 0, changedSince: 75 });
  expect(net.requests).toHaveLength(1);

  await app.append("s-003", { type: "D" });
  net.requests.length = 0;
  expect(await consumer.reconstitute()).toMatchObject({ checked: 1, healedSubjects: 1, head: 76 });
  expect(net.requests.filter((request) => request.includes("changedSince=75"))).toHaveLength(1);
  expect(await consumer.reconstitute({ all: true })).toMatchObject({ checked: STREAMS, healedSubjects: 0 });
});

for (const all of [true, false]) {
  test(`a stopped one is continued, by another process too (${all ? "all" : "changed"})`, async () => {
    await fill();
    if (!all) {
      await consumer.reconstitute();
      for (let index = 0; index < STREAMS; index += 1) {
        await app.append(`s-${String(index).padStart(3, "0")}`, { type: "D" });
      }
    }
    const stopping = new AbortController();
    const seen: Reconstitution[] = [];
    const onProgress = (progress: Reconstitution) => {
      seen.push(progress);
      if (seen.length === 2) stopping.abort();
    };
    await expect(
      consumer.reconstitute({ pageSize: 5, onProgress, signal: stopping.signal }),
    ).rejects.toThrow();
    expect(seen.map(({ checked }) => checked)).toEqual([5, 10]);

    net.requests.length = 0;
    const found = await make().reconstitute({ pageSize: 5 });
    expect(found).toMatchObject({ checked: STREAMS, healedSubjects: STREAMS });
    expect(net.requests.filter((request) => request.includes("limit=5"))).toHaveLength(all ? 4 : 3);
    await expectWhole(all ? 3 : 4);
  });
}

test("a subject that cannot be handled is reported, and the others are healed", async () => {
  await fill();
  bad.add("s-007");
  const found = await consumer.reconstitute();
  expect(found).toMatchObject({ healedSubjects: STREAMS - 1, failed: ["s-007"] });
  expect(consumer.status().blocked).toMatchObject([{ subject: "s-007" }]);
  expect(await consumer.reconstitute({ all: true })).toMatchObject({ blocked: 1, failed: [] });
  bad.clear();
  consumer.start();
  await eventually(() => consumer.status().blocked.length === 0);
  await expectWhole();
});

test("events that are still expected do not count as lost", async () => {
  await fill();
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  net.failWith((path, init) =>
    path.startsWith("/events?") && init.method === undefined
      ? held.then(() => app.fetch(path, init))
      : undefined,
  );
  consumer = make({ transport: "poll" });
  consumer.start();
  await eventually(() => consumer.status().phase === "catching-up");
  expect(await consumer.reconstitute()).toMatchObject({ pending: STREAMS, healedSubjects: 0 });
  release();
  await eventually(() => consumer.status().position === 75);
  await expectWhole();
});

test("requests keep to their rate", async () => {
  await fill();
  let now = 0;
  const waited: number[] = [];
  const clock = {
    now: () => 0,
    monotonic: () => now,
    sleep: async (ms: number) => {
      waited.push(ms);
      now += ms;
      await Bun.sleep(0);
    },
    yield: async () => {},
  };
  await make({ clock }).reconstitute({ requestsPerSecond: 10 });
  // A head, a page and 25 pulls: all but the first a tenth of a second after the one before.
  expect(now).toBeGreaterThanOrEqual(2_600 - 1);
  expect(now).toBeLessThan(2_700);
});

test("it is done on a schedule", async () => {
  const found: Reconstitution[] = [];
  consumer = make({
    reconstituteEveryMs: 5,
    onReconstituted: (each: Reconstitution) => void found.push(each),
  });
  consumer.start();
  await eventually(() => consumer.status().phase === "live");
  await fill();
  await eventually(async () => Object.values(await effects.read()).flat().length === 75);
  await expectWhole();
  await eventually(() => found.some(({ healedSubjects }) => healedSubjects > 0));
});

test("it lists from a state that includes its end, or from the restored state", async () => {
  await fill();
  const shown: (string | null)[] = [];
  let restored = false;
  net.failWith((path, init) => {
    if (!path.startsWith("/streams?")) return undefined;
    const position = new Headers(init.headers).get("kilde-position");
    shown.push(position);
    const beyond = { headers: { "kilde-position": String(STREAMS * 3 + 1) } };
    return restored && position !== null ? app.fetch(path, beyond) : undefined;
  });
  await consumer.reconstitute();
  await expectWhole();
  expect(new Set(shown)).toEqual(new Set([String(STREAMS * 3)]));
  restored = true;
  expect(await consumer.reconstitute({ all: true })).toMatchObject({ checked: STREAMS, ahead: [] });
  expect(shown.at(-1)).toBeNull();
});
