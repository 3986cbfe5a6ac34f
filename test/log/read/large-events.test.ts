import { describe, expect, test } from "bun:test";

import { type Limits, SERVER_EVENT_BYTES } from "../../../src/core/limits.ts";
import { jsonPost, openApp, takeEvents, type TestApp, type WireEvent } from "../../support/app.ts";
import { forEachDeployment } from "../../support/deployments.ts";
import { TESTED_ON } from "../../support/tested-on.ts";

/*
 * As much as the limits let through. A libSQL server takes no value above some 5 MB, and answers with no more than
 * 10 MB.
 */

const data = "ü".repeat(450_000);
/** A worker takes bodies of 4 MiB, which is still more than a page on a libSQL server. */
const EVENTS = TESTED_ON === "worker" ? 4 : 14;

async function allOf(app: TestApp, path: string, backwards = false): Promise<WireEvent[]> {
  const events: WireEvent[] = [];
  for (;;) {
    const last = events.at(-1)?.id;
    const cursor = last === undefined ? "" : `&lastEventId=${last}`;
    const direction = backwards ? "backwards" : "forwards";
    const page = await app.get(`${path}?limit=10000&direction=${direction}${cursor}`);
    if (page.length === 0) return events;
    events.push(...page);
  }
}

const ids = (events: readonly WireEvent[]) => events.map(({ id }) => Number(id));
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

forEachDeployment(["memory", "file", "sqld", "worker"], (deployment) => {
  describe(`as much as the limits let through (${deployment.name})`, () => {
    async function onApp(use: (app: TestApp) => Promise<void>, limits: Partial<Limits> = {}): Promise<void> {
      const opened = await deployment.open();
      const app = await openApp({ database: opened.database(), limits });
      await use(app);
      await app.close();
      await opened.dispose();
    }

    test("large events in one append are written, read, and followed", () =>
      onApp(async (app) => {
        const live = await app.fetch("/events", { headers: { accept: "text/event-stream" } });
        await app.append("large", ...Array.from({ length: EVENTS }, () => ({ type: "T", data })));
        expect(ids(await allOf(app, "/events"))).toEqual(upTo(EVENTS));
        expect(ids(await allOf(app, "/events", true))).toEqual(upTo(EVENTS).toReversed());
        const stream = await allOf(app, "/streams/large");
        expect(ids(stream)).toEqual(upTo(EVENTS));
        expect(stream.every((event) => event.data === data)).toBe(true);
        const followed = await takeEvents(live, EVENTS);
        expect(followed.map(({ id }) => Number(id))).toEqual(upTo(EVENTS));
      }));

    test("a stream of small events is read whole when a few of them are large", () =>
      onApp(async (app) => {
        const note = "x".repeat(600_000);
        const notes = Array.from({ length: 10 }, (_, n) => (n === 0 || n === 6 ? note : "small"));
        for (const stream of ["first", "second"])
          await app.append(stream, ...notes.map((text) => ({ type: "T", data: text })));
        const first = await app.get("/streams/first");
        expect(first.map((event) => event.data)).toEqual(notes);
        const part = await app.get("/streams/second?limit=5&direction=backwards");
        expect(part.map((event) => event.data)).toEqual(notes.slice(5).toReversed());
        const versions = await app.get("/streams/second?afterVersion=5&toVersion=8");
        expect(versions.map((event) => event.data)).toEqual(notes.slice(5, 8));
      }));

    test("the largest event that a libSQL server accepts, of the characters that take most room in a text", () =>
      onApp(
        async (app) => {
          // In JSON two bytes each, and four within a text.
          const quotes = '"'.repeat((SERVER_EVENT_BYTES - 100_000) / 2);
          await app.append("quotes", { type: "T", data: quotes });
          expect((await app.get("/streams/quotes"))[0]?.data === quotes).toBe(true);
        },
        { eventBytes: SERVER_EVENT_BYTES - 50_000 },
      ));

    test("large appends at once do not share a commit's fate", () =>
      onApp(async (app) => {
        const answers = await Promise.all(
          Array.from({ length: EVENTS }, (_, n) =>
            app.fetch(`/streams/s-${n}`, jsonPost({ events: [{ type: "T", data }] })),
          ),
        );
        expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: EVENTS }, () => 201));
        expect(await allOf(app, "/events")).toHaveLength(EVENTS);
      }));

    test("small events are read, as many as a page may have", () =>
      onApp(async (app) => {
        const many = Array.from({ length: 10_000 }, (_, n) => ({ type: "T".repeat(200), data: n }));
        await app.append("s".repeat(200), ...many);
        await app.append("another", ...many);
        expect(ids(await allOf(app, "/events"))).toEqual(upTo(20_000));
        expect(ids(await allOf(app, "/events", true))).toEqual(upTo(20_000).toReversed());
        expect(ids(await allOf(app, "/streams/another"))).toEqual(upTo(20_000).slice(10_000));
      }));
  });
});
