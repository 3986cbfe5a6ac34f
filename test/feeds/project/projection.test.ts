import { describe, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { ADVANCE_FEED } from "../../../src/feeds/project/write.ts";
import { isFreeFor, takeLease } from "../../../src/storage/lease.ts";
import type { LogWriter } from "../../../src/log/append/writer.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { eventually } from "../../support/eventually.ts";
import type { TestApp } from "../../support/app.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import { eventsOf } from "../feed-contents.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened), { examined: true });

const deps = () => ({ database, writer: app.store.writer });

const plain = sketch({ name: "plain" });
const stateful = sketch({ name: "stateful", project: counted });

describe("halting", () => {
  test("happens at the event that fails, after the events before it; the feed continues when it is resumed", async () => {
    await app.append("s-1", { type: "A" }, { type: "Bad" }, { type: "A" });
    await app.append("s-2", { type: "A" });
    const { get, drain, feeds } = await openProjection(deps(), [plain, sketch({ name: "tolerant" })]);
    await drain();
    const halted = await feeds.state(get(plain.path));
    expect(halted).toMatchObject({
      status: "halted",
      cursor: 1,
      failure: { position: 2, subject: "s-1", message: "this is bad", issues: [{ pointer: "/bad" }] },
    });
    expect(await eventsOf(get(plain.path).reader)).toHaveLength(1);
    expect(await feeds.state(get("/feeds/tolerant/v1"))).toMatchObject({ status: "live", cursor: 4 });
    await expect(feeds.hydrate(get(plain.path), "s-1")).rejects.toMatchObject({ code: "projection-failed" });
    await feeds.hydrate(get(plain.path), "s-2");
    expect(await eventsOf(get(plain.path).reader, "s-2")).toHaveLength(1);
    await drain();
    expect((await feeds.state(get(plain.path)))?.failure?.since).toBe(halted?.failure?.since ?? "");

    const mended = await openProjection(deps(), [
      { ...sketch({ name: "tolerant" }), name: "plain", path: plain.path },
    ]);
    await mended.drain();
    expect(await mended.feeds.state(mended.get(plain.path))).toMatchObject({ status: "live", failure: null });
    expect(await eventsOf(get(plain.path).reader, "s-1")).toHaveLength(3);
    expect(await eventsOf(get(plain.path).reader, "s-2")).toHaveLength(1);
  });

  test("ends when the event that fails is erased, and no trace of the failure is left", async () => {
    await app.append("s-1", { type: "Bad" }, { type: "A" });
    const { get, run, feeds } = await openProjection(deps(), [plain]);
    const { stop } = run("me", app.store.reader);
    const status = async () => (await feeds.state(get(plain.path)))?.status;
    await eventually(async () => (await status()) === "halted");
    await app.fetch("/streams/s-1?reason=asked", { method: "DELETE" });
    await eventually(async () => (await status()) === "live");
    expect(await feeds.state(get(plain.path))).toMatchObject({ cursor: 3, failure: null });
    await stop();
  });
});

describe("hydrating", () => {
  test("completes one subject, and the walker repeats nothing", async () => {
    for (let n = 0; n < 40; n += 1) await app.append(`s-${n % 4}`, { type: "A", data: n });
    const { get, drain, feeds, projector } = await openProjection(deps(), [stateful]);
    const lease = await takeLease(app.store.writer, stateful.path, "me");
    if (lease === null) throw new Error("not free");
    await projector(stateful.path, 10).step({ lease, retry: false, flush: false });
    await feeds.hydrate(get(stateful.path), "s-2");
    const { reader } = get(stateful.path);
    expect(await eventsOf(reader, "s-2")).toHaveLength(10);
    expect(await feeds.state(get(stateful.path))).toMatchObject({ status: "building", cursor: 10 });
    await app.append("s-2", { type: "A", data: 40 });
    await drain(7);
    const events = await eventsOf(reader, "s-2");
    expect(events.map(({ data }) => (data as { count: number }).count)).toEqual(
      Array.from({ length: 11 }, (_, n) => n + 1),
    );
    expect(await eventsOf(reader)).toHaveLength(41);
  });

  test("a subject that is unknown leaves no trace", async () => {
    const { get, feeds } = await openProjection(deps(), [plain]);
    await feeds.hydrate(get(plain.path), "nobody");
    expect(await get(plain.path).reader.find("nobody")).toBeNull();
  });
});

describe("leases", () => {
  test("a projector that lost its lease writes nothing", async () => {
    await app.append("s-1", { type: "A" });
    const { get, projector } = await openProjection(deps(), [plain]);
    const old = await takeLease(app.store.writer, plain.path, "old");
    if (old === null) throw new Error("not free");
    expect(await takeLease(app.store.writer, plain.path, "new")).toBeNull();
    await database.write([{ sql: "update leases set expires = 0", args: [] }]);
    const taken = await takeLease(app.store.writer, plain.path, "new");
    expect(taken?.token).toBe(old.token + 1);
    const one = projector(plain.path);
    expect(await one.step({ lease: old, retry: false, flush: false })).toEqual({ kind: "outdated" });
    expect(await eventsOf(get(plain.path).reader)).toEqual([]);
  });

  test("a lease that expires further ahead than any lease can is ignored, since the clock was ahead", async () => {
    const { writer } = app.store;
    for (const holder of ["one", "two"]) {
      const lease = await takeLease(writer, plain.path, holder);
      expect(lease?.holder).toBe(holder);
      expect(await isFreeFor(database, plain.path, "other")).toBe(false);
      expect(await takeLease(writer, plain.path, "other")).toBeNull();
      // The process took it while the clock was two hours ahead, and was killed.
      await database.write([{ sql: "update leases set expires = expires + 7200000", args: [] }]);
      expect(await isFreeFor(database, plain.path, "other")).toBe(true);
    }
  });
});

describe("running", () => {
  for (const [title, appended] of [
    ["rests while others append much", 2_000],
    ["rests less the less others append", 1],
    ["continues while no client appends", 0],
  ] as const) {
    test(`a build ${title}`, async () => {
      const many = Array.from({ length: 3_000 }, (_, n) => ({ type: "A", data: n }));
      for (const subject of ["s-1", "s-2", "s-3"]) await app.append(subject, ...many);
      const others = Array.from({ length: appended }, () => ({ type: "Other" }));
      const { writer } = app.store;
      let writes = 0;
      const slow: LogWriter = {
        ...writer,
        async write(statements) {
          const written = await writer.write(statements);
          writes += 1;
          // For as long as there is something left to build.
          if (appended > 0 && writes < 8) await app.append("other", ...others);
          return written.outcome === "written" ? { ...written, durationMs: 3 } : written;
        },
      };
      const rests: number[] = [];
      const clock: Clock = {
        ...systemClock,
        sleep(ms, signal) {
          if (ms > 0 && ms <= 3 * 5) rests.push(ms);
          return systemClock.sleep(ms, signal);
        },
      };
      const { feeds, get, run } = await openProjection({ database, writer: slow }, [plain]);
      const running = run("one", app.store.reader, clock);
      await eventually(async () => (await feeds.state(get(plain.path)))?.status === "live");
      await running.stop();
      expect(await get(plain.path).reader.head()).toBe(9_000);
      if (appended === 0) expect(rests).toEqual([]);
      else expect(rests.length).toBeGreaterThan(2);
      if (appended > 1) expect(rests.filter((ms) => ms === 3 * 5).length).toBeGreaterThan(2);
      if (appended === 1) expect(Math.min(...rests)).toBeLessThan(3 * 5);
    });
  }

  test("a build continues at once when a subject was hydrated in between", async () => {
    for (let n = 0; n < 20; n += 1)
      await app.append(`s-${n}`, ...Array.from({ length: 200 }, () => ({ type: "A" })));
    const { writer } = app.store;
    let writes = 0;
    const { feeds, get, run } = await openProjection(
      {
        database,
        writer: {
          ...writer,
          async write(statements) {
            writes += 1;
            // The walker has planned a batch already.
            if (writes === 4) await feeds.hydrate(get(stateful.path), "s-19");
            return writer.write(statements);
          },
        },
      },
      [stateful],
    );
    const slept: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep(ms, signal) {
        slept.push(ms);
        return systemClock.sleep(ms, signal);
      },
    };
    const running = run("one", app.store.reader, clock);
    await eventually(async () => (await feeds.state(get(stateful.path)))?.status === "live");
    await running.stop();
    expect(slept.filter((ms) => ms >= 500)).toEqual([]);
    expect(await get(stateful.path).reader.head()).toBe(4_000);
    expect(await get(stateful.path).reader.find("s-19")).toMatchObject({ version: 200 });
  });

  test("states that are larger than the memory for them are folded while the batch before is written", async () => {
    const streams = 600;
    const grows = sketch({
      name: "grows",
      project: ({ type }, state) => {
        const count =
          typeof state === "object" && state !== null && "count" in state ? Number(state.count) : 0;
        const events = type === "B" ? [{ type: "PublicB", data: JSON.stringify(count) }] : [];
        return { state: { count: count + 1, text: "x".repeat(30_000) }, events };
      },
    });
    const types = ["A", "A", "A", "B"];
    for (const type of types)
      await Promise.all(Array.from({ length: streams }, (_, n) => app.append(`s-${n}`, { type })));
    const { writer } = app.store;
    const late: LogWriter = {
      ...writer,
      async write(statements) {
        if (statements[0]?.sql === ADVANCE_FEED) await systemClock.sleep(50);
        return writer.write(statements);
      },
    };
    const { get, run } = await openProjection({ database, writer: late }, [grows]);
    const running = run("one", app.store.reader);
    const { reader } = get(grows.path);
    await eventually(async () => (await reader.head()) === streams);
    await running.stop();
    const counts = (await eventsOf(reader)).map(({ data }) => data);
    expect(counts).toEqual(Array.from({ length: streams }, () => types.length - 1));
  });

  test("reading subjects does not hold up a build", async () => {
    const streams = 40;
    for (let n = 0; n < streams; n += 1)
      await app.append(`s-${n}`, ...Array.from({ length: 100 }, () => ({ type: "A" })));
    const { writer } = app.store;
    let [projected, read] = [0, 0];
    const { feeds, get, run } = await openProjection(
      {
        database,
        writer: {
          ...writer,
          async write(statements) {
            if (statements[0]?.sql === ADVANCE_FEED) {
              projected += 1;
              // Between planning and writing, another subject gets an event and is read.
              const name = `s-${streams - 1 - (read % streams)}`;
              read += 1;
              if (read <= 3 * streams) {
                await app.append(name, { type: "A" });
                await feeds.hydrate(get(stateful.path), name);
              }
            }
            return writer.write(statements);
          },
        },
      },
      [stateful],
    );
    const running = run("one", app.store.reader);
    await eventually(async () => (await feeds.state(get(stateful.path)))?.status === "live");
    await running.stop();
    expect(await get(stateful.path).reader.head()).toBe(streams * 100 + Math.min(read, 3 * streams));
    // Undisturbed, it takes 9 writes to reach the head, and one for each of the last appends.
    expect(projected).toBeLessThan(30);
  });

  test("an append is soon in the feed, and in the feed of the feed; two processes publish once", async () => {
    const down = sketch({ name: "down", source: { log: plain.path, types: ["PublicA"] } });
    const { get, run } = await openProjection(deps(), [plain, down]);
    const one = run("one", app.store.reader);
    const two = run("two", app.store.reader);
    for (let n = 0; n < 20; n += 1) await app.append(`s-${n}`, { type: "A", data: n });
    const { reader } = get(down.path);
    await eventually(async () => (await reader.head()) >= 20);
    await Promise.all([one.stop(), two.stop()]);
    expect((await eventsOf(reader)).map(({ data }) => data)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect([...one.events, ...two.events].filter(({ kind }) => kind === "failed")).toEqual([]);
  });
});
