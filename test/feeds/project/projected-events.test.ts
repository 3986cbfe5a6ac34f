import { describe, expect, test } from "bun:test";

import { takeLease } from "../../../src/storage/lease.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
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

describe("projecting", () => {
  test("publishes the events of the source, with their times, trace and origin", async () => {
    await app.append("s-1", {
      type: "A",
      data: { n: 1 },
      time: "2020-01-01T00:00:00Z",
      metadata: { correlationId: "c", causationId: "d", traceparent: "t", secret: "x" },
    });
    await app.append("s-2", { type: "Other" }, { type: "B", data: { n: 2 } });
    const { get, drain } = await openProjection(deps(), [plain]);
    await drain();
    const source = await app.get("/events");
    const events = await eventsOf(get(plain.path).reader);
    expect(events).toEqual([
      {
        specversion: "1.0",
        id: "1",
        source: "/feeds/plain/v1",
        logidentity: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
        type: "PublicA",
        subject: "s-1",
        time: "2020-01-01T00:00:00Z",
        recordedtime: source[0]?.["recordedtime"],
        sequence: "0000000000000001",
        correlationid: "c",
        causationid: "d",
        traceparent: "t",
        projectedfrom: "1",
        datacontenttype: "application/json",
        data: { n: 1 },
      },
      expect.objectContaining({ id: "2", time: source[2]?.time ?? "", projectedfrom: "3", subject: "s-2" }),
    ]);
  });

  test("folds state, for any division into batches", async () => {
    for (let n = 0; n < 30; n += 1) await app.append(`s-${n % 3}`, { type: "A", data: n });
    const { get, drain } = await openProjection(deps(), [stateful]);
    await drain(4);
    const events = await eventsOf(get(stateful.path).reader, "s-1");
    expect(events.map(({ data }) => data)).toEqual(
      Array.from({ length: 10 }, (_, n) => ({ count: n + 1, data: n * 3 + 1 })),
    );
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 10 }, (_, n) => n + 1),
    );
  });

  test("publishes more events than a batch, a window or a page takes, of small and of large data", async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => ({ type: n % 3 === 0 ? "A" : "Other", data: n }));
    for (let n = 0; n < 3; n += 1) await app.append(`s-${n}`, ...many);
    const large = Array.from({ length: 12 }, () => ({ type: "A", data: "x".repeat(900_000) }));
    await app.append("large", ...large);
    await app.append("last", { type: "A", data: 1 });
    const { get, drain, feeds } = await openProjection(deps(), [plain]);
    await drain();
    const { reader } = get(plain.path);
    expect(await reader.head()).toBe(3 * 3_334 + 13);
    expect(await feeds.state(get(plain.path))).toMatchObject({ status: "live", cursor: 30_013 });
  });

  test("a subject of which nothing is published is not there, but its state is kept", async () => {
    const third = sketch({
      name: "third",
      project: (event, state) => {
        const seen = counted(event, state);
        return { state: seen.state, events: seen.state === 3 ? seen.events : [] };
      },
    });
    await app.append("s-1", { type: "A" }, { type: "A" });
    const { get, drain, feeds } = await openProjection(deps(), [third]);
    await feeds.hydrate(get(third.path), "s-1");
    await drain();
    const { reader } = get(third.path);
    expect(await reader.find("s-1")).toBeNull();
    expect((await reader.subjects({ prefix: "", cursor: "", limit: 10 })).subjects).toEqual([]);
    expect(await examine(database)).toEqual([]);
    await app.append("s-1", { type: "A" });
    await drain();
    expect(await eventsOf(reader, "s-1")).toMatchObject([
      { sequence: "0000000000000001", data: { count: 3 } },
    ]);
  });

  test("an erased stream is erased, and begins again", async () => {
    await app.append("s-1", { type: "A", data: 1 }, { type: "A", data: 2 });
    const { get, drain } = await openProjection(deps(), [stateful]);
    await drain();
    await app.fetch("/streams/s-1?reason=asked", { method: "DELETE" });
    await drain();
    const erased = await eventsOf(get(stateful.path).reader, "s-1");
    expect(erased).toMatchObject([{ type: "kilde.erased", sequence: "0000000000000003", reason: "asked" }]);
    expect(await get(stateful.path).reader.find("s-1")).toMatchObject({ erased: true, firstVersion: 3 });
    await app.fetch("/streams/s-1", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ expectedVersion: 3, events: [{ type: "A", data: 3 }] }),
    });
    await drain();
    const again = await eventsOf(get(stateful.path).reader, "s-1");
    expect(again.map(({ data }) => data)).toEqual([undefined, { count: 1, data: 3 }]);
    expect(await get(stateful.path).reader.find("s-1")).toMatchObject({ erased: false });
  });

  test("assigns events to subjects by their data", async () => {
    const byOwner = sketch({
      name: "owners",
      project: counted,
      subject: ({ data }) => (data as { owner: string | null }).owner,
    });
    for (const [stream, owner] of [
      ["a", "x"],
      ["b", "y"],
      ["c", "x"],
      ["d", null],
    ] as const)
      await app.append(stream, { type: "A", data: { owner } });
    const { get, drain, feeds } = await openProjection(deps(), [byOwner]);
    const behind = await feeds.hydrate(get(byOwner.path), "x").catch((error: unknown) => error);
    expect(behind).toMatchObject({ code: "feed-behind", members: { progress: { done: 0, total: 4 } } });
    expect(await eventsOf(get(byOwner.path).reader)).toEqual([]);
    await drain(1);
    await feeds.hydrate(get(byOwner.path), "x");
    const events = await eventsOf(get(byOwner.path).reader, "x");
    expect(events.map(({ data }) => (data as { count: number }).count)).toEqual([1, 2]);
    expect(await eventsOf(get(byOwner.path).reader)).toHaveLength(3);
  });

  test("a request for a re-keyed subject of a halted feed loses nothing", async () => {
    let broken = true;
    const byOwner = sketch({
      name: "owners",
      subject({ data }) {
        const { owner } = data as { owner: string };
        if (broken && owner === "y") throw new Error("nobody knows this owner");
        return owner;
      },
    });
    for (const owner of ["x", "y", "x", "y"]) await app.append("s", { type: "A", data: { owner } });
    const { get, drain, feeds } = await openProjection(deps(), [byOwner]);
    await drain();
    for (const name of ["x", "y", "z"]) {
      const failure = await feeds.hydrate(get(byOwner.path), name).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        code: "projection-failed",
        message: expect.stringContaining("event 2"),
      });
    }
    broken = false;
    await feeds.resume(get(byOwner.path));
    await drain();
    for (const name of ["x", "y"]) {
      await feeds.hydrate(get(byOwner.path), name);
      expect(await eventsOf(get(byOwner.path).reader, name)).toHaveLength(2);
    }
  });

  test("a re-keyed subject is complete though the cursor lags behind events that do not count for it", async () => {
    const byOwner = sketch({ name: "owners", subject: ({ data }) => (data as { owner: string }).owner });
    await app.append("s", { type: "A", data: { owner: "x" } });
    const { get, drain, feeds } = await openProjection(deps(), [byOwner]);
    await drain();
    await app.append("s", { type: "A", data: { owner: "y" } }, { type: "Unread" });
    await feeds.hydrate(get(byOwner.path), "x");
    expect(await eventsOf(get(byOwner.path).reader)).toHaveLength(1);
    await expect(feeds.hydrate(get(byOwner.path), "y")).rejects.toMatchObject({ code: "feed-behind" });
  });

  test("a feed of a feed is not live while its source is being built, and its lag is that of both", async () => {
    const up = sketch({ name: "up" });
    const down = sketch({ name: "down", source: { log: up.path, types: ["PublicA"] } });
    for (let n = 0; n < 10; n += 1) await app.append(`s-${n}`, { type: "A", data: n });
    const { get, projector, feeds } = await openProjection(deps(), [up, down]);
    const lease = async (path: string) => {
      const taken = await takeLease(app.store.writer, path, "one");
      if (taken === null) throw new Error("the lease is not free");
      return { lease: taken, retry: false, flush: true };
    };
    const [first, second] = [projector(up.path, 4), projector(down.path)];
    await first.step(await lease(up.path));
    await first.step(await lease(up.path));
    await first.settle();
    for (let n = 0; n < 4; n += 1) await second.step(await lease(down.path));
    expect(await feeds.state(get(up.path))).toMatchObject({ status: "building", lag: { events: 2 } });
    expect(await feeds.state(get(down.path))).toMatchObject({ status: "building", lag: { events: 2 } });
    for (let n = 0; n < 4; n += 1) await first.step(await lease(up.path));
    for (let n = 0; n < 4; n += 1) await second.step(await lease(down.path));
    expect(await feeds.state(get(down.path))).toMatchObject({ status: "live", lag: { events: 0 } });
  });

  test("takes a feed as a source too", async () => {
    const upstream = sketch({ name: "up", project: counted });
    const down = sketch({ name: "down", source: { log: upstream.path, types: ["PublicA"] } });
    await app.append("s-1", { type: "A", data: 1 }, { type: "A", data: 2 });
    const { get, drain, feeds } = await openProjection(deps(), [upstream, down]);
    await feeds.hydrate(get(down.path), "s-1");
    expect(await eventsOf(get(down.path).reader)).toMatchObject([
      { type: "PublicPublicA", projectedfrom: "1" },
      { type: "PublicPublicA", projectedfrom: "2" },
    ]);
    await drain();
    expect(await eventsOf(get(down.path).reader)).toHaveLength(2);
  });
});
