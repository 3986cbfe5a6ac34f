import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp, takeEvents, type TestApp } from "../../support/app.ts";
import { forEachDeployment, shared } from "../../support/deployments.ts";
import { testInProcess } from "../../support/tested-on.ts";

const SSE = { accept: "text/event-stream" };

forEachDeployment(["memory", "file", "sqld", "worker"], (deployment) => {
  describe(`follow (${deployment.name})`, () => {
    let app: TestApp;
    let opened: Awaited<ReturnType<typeof deployment.open>>;
    beforeEach(async () => {
      opened = await deployment.open();
      app = await openApp({ database: opened.database() });
    });
    afterEach(async () => {
      await app.close();
      await opened.dispose();
    });

    test("an event stream begins at the cursor and continues live", async () => {
      await app.append("s", { type: "A" }, { type: "B" });
      const response = await app.fetch("/events?lastEventId=1", { headers: SSE });
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      const taking = takeEvents(response, 3);
      await app.append("s", { type: "C" });
      await app.append("t", { type: "D" });
      const taken = await taking;
      expect(taken.map(({ id, event }) => [id, event])).toEqual([
        ["2", "B"],
        ["3", "C"],
        ["4", "D"],
      ]);
      expect(taken.map(({ data }) => data)).toEqual((await app.get("/events")).slice(1));
    });

    test("Last-Event-ID wins over lastEventId", async () => {
      await app.append("s", { type: "A" }, { type: "B" }, { type: "C" });
      const response = await app.fetch("/events?lastEventId=0", {
        headers: { ...SSE, "last-event-id": "2" },
      });
      expect((await takeEvents(response, 1))[0]?.id).toBe("3");
    });

    test("filters apply while catching up and live", async () => {
      const write = async () => {
        for (const stream of ["a-1", "b-1", "a-2"]) await app.append(stream, { type: "X" }, { type: "Y" });
      };
      await write();
      const follow = async (query: string) =>
        takeEvents(await app.fetch(`/events?${query}`, { headers: SSE }), 4);
      const all = Promise.all([follow("type=Y&subjectPrefix=a-"), follow("subjectPrefix=b-")]);
      await write();
      const [typed, prefixed] = await all;
      expect(typed?.map(({ id }) => Number(id))).toEqual([2, 6, 8, 12]);
      expect(prefixed?.map(({ id }) => Number(id))).toEqual([3, 4, 9, 10]);
    });

    test("one stream is followed, also before it exists", async () => {
      await app.append("other", { type: "A" });
      const taking = takeEvents(await app.fetch("/streams/later", { headers: SSE }), 2);
      await app.append("other", { type: "A" });
      await app.append("later", { type: "B" });
      await app.append("later", { type: "C" });
      expect((await taking).map(({ event }) => event)).toEqual(["B", "C"]);
    });

    test("many followers from many cursors see each event once, while others append", async () => {
      const total = 400;
      await Promise.all(Array.from({ length: 40 }, (_, n) => app.append(`s-${n % 7}`, { type: "T" })));
      const followers = await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const after = n % 5;
          const response = await app.fetch(`/events?lastEventId=${after}`, { headers: SSE });
          return { after, taking: takeEvents(response, total - after) };
        }),
      );
      // A worker refuses writes that wait for too long, so only a few wait at a time, however slow the machine is.
      const appending = Promise.all(
        Array.from({ length: 20 }, async (_, writer) => {
          for (let n = writer; n < total - 40; n += 20)
            await app.append(`s-${n % 7}`, { type: "T", data: n });
        }),
      );
      for (const { after, taking } of followers) {
        const seen = (await taking).map(({ id }) => Number(id));
        expect(seen).toEqual(Array.from({ length: total - after }, (_, n) => after + 1 + n));
      }
      await appending;
    });

    test("a long-poll answers as soon as there is something, and with nothing when its time is up", async () => {
      await app.append("s", { type: "A" });
      const started = performance.now();
      expect(await app.get("/events?lastEventId=1&timeout=50")).toEqual([]);
      expect(performance.now() - started).toBeGreaterThanOrEqual(45);
      const polling = app.get("/events?lastEventId=1&timeout=20000&type=C");
      await app.append("s", { type: "B" });
      await app.append("s", { type: "C" });
      expect((await polling).map(({ id }) => id)).toEqual(["3"]);
    });

    test("a long-poll waits for a stream that does not exist yet", async () => {
      const polling = app.get("/streams/new?timeout=20000");
      await app.append("other", { type: "A" });
      await app.append("new", { type: "B" });
      expect(await polling).toHaveLength(1);
      expect(await app.get("/streams/never?timeout=10")).toEqual([]);
    });

    test("options that a follower does not support are refused", async () => {
      await app.append("s", { type: "A" });
      for (const query of ["limit=1", "direction=backwards", "timeout=5", "lastEventId=2"]) {
        expect((await app.fetch(`/events?${query}`, { headers: SSE })).status).toBe(400);
      }
      for (const query of ["toVersion=1", "afterVersion=1", "asOf=2026-01-01T00:00:00Z"]) {
        expect((await app.fetch(`/streams/s?${query}`, { headers: SSE })).status).toBe(400);
      }
      expect((await app.fetch("/events", { headers: { ...SSE, "last-event-id": "x" } })).status).toBe(400);
      expect((await app.fetch("/events?direction=backwards&timeout=5")).status).toBe(400);
    });
  });
});

test("a follower that stops reading is not buffered for, and continues without a gap", async () => {
  const app = await openApp();
  const response = await app.fetch("/events", { headers: SSE });
  const data = "x".repeat(1_000);
  const total = 6_000;
  for (let n = 0; n < total; n += 1_000) {
    await app.append("s", ...Array.from({ length: 1_000 }, () => ({ type: "T", data })));
  }
  const taken = await takeEvents(response, total);
  expect(taken.map(({ id }) => Number(id))).toEqual(Array.from({ length: total }, (_, n) => n + 1));
  await app.close();
});

testInProcess("followers are limited in number, and places are given back", async () => {
  const app = await openApp({ limits: { followers: 2 } });
  const first = await app.fetch("/events", { headers: SSE });
  const second = await app.fetch("/events", { headers: SSE });
  const refused = await app.fetch("/events", { headers: SSE });
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).not.toBeNull();
  expect(await refused.json()).toMatchObject({ type: "/problems/too-many-followers" });
  expect((await app.fetch("/events?timeout=10")).status).toBe(503);
  await first.body?.cancel();
  const third = await app.fetch("/events", { headers: SSE });
  expect(third.status).toBe(200);
  await second.body?.cancel();
  await third.body?.cancel();
  await app.close();
});

describe("a quiet follower", () => {
  const BEAT_MS = 5_000;

  /** The sleeps between beats are over at once, as many as are allowed, and then none. */
  function hurried() {
    let left = 0;
    const sleep: Clock["sleep"] = async (ms, signal) => {
      while (ms === BEAT_MS && left === 0 && signal?.aborted !== true) await Bun.sleep(1);
      if (ms === BEAT_MS) left -= 1;
      await systemClock.sleep(ms === BEAT_MS ? 0 : ms, signal);
    };
    const pass = async (sleeps: number) => {
      left = sleeps;
      while (left > 0) await Bun.sleep(1);
    };
    return { clock: { ...systemClock, sleep }, pass };
  }

  async function textUntil(body: ReadableStream<Uint8Array> | null, end: string): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      if (text.includes(end)) break;
    }
    return text;
  }

  testInProcess("is sent a comment now and then", async () => {
    const { clock, pass } = hurried();
    const app = await openApp({ clock });
    const taking = textUntil((await app.fetch("/events", { headers: SSE })).body, "event: A");
    await pass(40);
    await app.append("s", { type: "A" });
    const comments = (await taking).split("\n").filter((line) => line === ":").length;
    // One each two beats; the last may come with the event.
    expect(comments).toBeWithin(19, 21);
    await app.close();
  });

  testInProcess("is sent no more than it takes when it does not read", async () => {
    const { clock, pass } = hurried();
    const app = await openApp({ clock });
    const response = await app.fetch("/events", { headers: SSE });
    await pass(40);
    await app.append("s", { type: "A" });
    expect(await textUntil(response.body, "event: A")).toMatch(
      /^retry: 1000\n\n(:\n\n)?id: 1-[0-9a-f]{16}\nevent: A\n/,
    );
    await app.close();
  });
});

testInProcess("closing ends followers and long-polls with what they have", async () => {
  const closing = new AbortController();
  const app = await openApp({ closing: closing.signal });
  await app.append("s", { type: "A" });
  const taking = takeEvents(await app.fetch("/events", { headers: SSE }), 2);
  const polling = app.get("/events?lastEventId=1&timeout=20000");
  await Bun.sleep(20);
  closing.abort();
  expect((await taking).map(({ id }) => id)).toEqual(["1"]);
  expect(await polling).toEqual([]);
  await app.close();
});

test("followers of one process see events that another appends to the same database", async () => {
  const opened = await shared.open();
  const [one, two] = [
    await openApp({ database: opened.database() }),
    await openApp({ database: opened.database() }),
  ];
  const taking = takeEvents(await one.fetch("/events", { headers: SSE }), 3);
  const polling = one.get("/events?timeout=20000");
  await Bun.sleep(10);
  for (const n of [1, 2, 3]) await two.append(`s-${n}`, { type: "T" });
  expect((await taking).map(({ id }) => id)).toEqual(["1", "2", "3"]);
  expect(await polling).not.toBeEmpty();
  await one.close();
  await two.close();
  await opened.dispose();
});

testInProcess("a follower that cannot take its news ends, and keeps them from no other", async () => {
  const app = await openApp();
  const { reader } = app.store;
  await app.append("s", { type: "A" });
  const [{ logidentity: identity }] = await app.get<[{ logidentity: string }]>("/events");
  const start = { position: 1, identity };
  const interest = { subject: null, filter: {} };
  const failures: string[] = [];
  const broken = reader.follow(interest, start, {
    take() {
      throw new Error("its stream is closed");
    },
    renewed: () => {},
    fail: (error) => failures.push(String(error)),
  });
  const cursors: number[] = [];
  const whole = reader.follow(interest, start, {
    take(chunk) {
      cursors.push(chunk.cursor);
      whole.ask();
    },
    renewed: () => {},
    fail: (error) => failures.push(String(error)),
  });
  broken.ask();
  whole.ask();
  for (let position = 2; position <= 3; position += 1) {
    await app.append("s", { type: "A" });
    await eventually(() => cursors.at(-1) === position);
  }
  expect(failures).toEqual(["Error: its stream is closed"]);
  broken.end();
  whole.end();
  await app.close();
});

test("followers are not sent events from memory that another process truncated or erased", async () => {
  const opened = await shared.open();
  const [one, other] = [
    await openApp({ database: opened.database() }),
    await openApp({ database: opened.database(), pollIntervalMs: 10 }),
  ];
  const follow = async (count: number) => {
    const response = await other.fetch("/events?lastEventId=0", { headers: SSE });
    return (await takeEvents(response, count)).map(({ data }) => `${data.subject}@${Number(data.sequence)}`);
  };
  await other.append("a", { type: "A" });
  await other.append("b", { type: "B" });
  const kept = follow(3);
  await other.append("b", { type: "B" });
  expect(await kept).toEqual(["a@1", "b@1", "b@2"]);
  await one.fetch("/streams/b?before=2", { method: "DELETE" });
  expect(await follow(2)).toEqual(["a@1", "b@2"]);
  await one.fetch("/streams/a?reason=asked", { method: "DELETE" });
  expect(await follow(2)).toEqual(["b@2", "a@2"]);
  await one.close();
  await other.close();
  await opened.dispose();
});
