import { expect } from "bun:test";

import fc from "fast-check";

import type { Database } from "../../src/log/database.ts";
import { examine } from "../../src/log/doctor.ts";
import { type Appended, jsonPost, openApp, takeEvents, type TestApp, type WireEvent } from "./app.ts";

/** One of the many that append at the same time. */
interface Appender {
  readonly store: number;
  readonly streams: readonly number[];
  readonly conditional: boolean;
}

async function appendAll(
  app: TestApp,
  name: string,
  { streams, conditional }: Appender,
): Promise<Appended[]> {
  const acknowledged: Appended[] = [];
  const versions = new Map<string, number>();
  for (const [round, number] of streams.entries()) {
    const stream = `s-${number}`;
    const expectedVersion = conditional ? (versions.get(stream) ?? 0) : "any";
    const body = { events: [{ type: "T", data: `${name}:${round}` }], expectedVersion };
    const response = await app.fetch(`/streams/${stream}`, jsonPost(body));
    if (response.status === 201) {
      const appended = (await response.json()) as Appended;
      acknowledged.push(appended);
      versions.set(stream, appended.version);
    } else {
      expect(response.status).toBe(409);
      const { currentVersion } = (await response.json()) as { currentVersion: number };
      // The version of a conflict is one that was not expected, and never behind what was seen.
      expect(currentVersion).toBeGreaterThan(versions.get(stream) ?? 0);
      versions.set(stream, currentVersion);
    }
  }
  return acknowledged;
}

/**
 * Random appenders on several stores of one database, while each store has a follower: what was acknowledged is
 * there once, where it was said to be, without gaps, and every follower sees it all in order.
 */
export async function checkConcurrency(
  open: () => Promise<{ database(): Database; dispose(): Promise<void> }>,
  stores: number,
  numRuns: number,
): Promise<void> {
  const appender = fc.record({
    store: fc.integer({ min: 0, max: stores - 1 }),
    streams: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 15 }),
    conditional: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(appender, { minLength: 2, maxLength: 10 }), async (appenders) => {
      const opened = await open();
      const databases = Array.from({ length: stores }, () => opened.database());
      const apps: TestApp[] = [];
      for (const database of databases) apps.push(await openApp({ database }));
      const appAt = (index: number): TestApp => {
        const app = apps[index];
        if (app === undefined) throw new Error(`no store ${index}`);
        return app;
      };
      try {
        const stop = new AbortController();
        const followed = apps.map(async (app) => {
          const response = await app.fetch("/events", {
            headers: { accept: "text/event-stream" },
            signal: stop.signal,
          });
          return takeEvents(response, Number.POSITIVE_INFINITY);
        });
        const acknowledged = (
          await Promise.all(appenders.map((item, index) => appendAll(appAt(item.store), `${index}`, item)))
        ).flat();

        const events = await appAt(0).get("/events?limit=10000");
        const places = (items: readonly WireEvent[]) =>
          items.map(({ id, subject, sequence }) => `${id} ${subject} ${Number(sequence)}`);
        expect(events.map(({ id }) => Number(id))).toEqual(events.map((_, index) => index + 1));
        expect(places(events).toSorted()).toEqual(
          acknowledged.map(({ position, stream, version }) => `${position} ${stream} ${version}`).toSorted(),
        );
        expect(new Set(events.map(({ data }) => data)).size).toBe(events.length);
        for (const database of databases.slice(0, 1)) expect(await examine(database)).toEqual([]);

        const last = events.length;
        for (let tries = 0; tries < 100; tries += 1) {
          const heads = await Promise.all(apps.map((app) => app.get(`/events?lastEventId=${last - 1}`)));
          if (heads.every((page) => page.length === 1)) break;
        }
        await Bun.sleep(60);
        stop.abort();
        for (const seen of await Promise.all(followed)) {
          expect(seen.map(({ data }) => data)).toEqual(events);
        }
        expect(apps.flatMap(({ faults }) => faults)).toEqual([]);
      } finally {
        for (const app of apps) await app.close();
        await opened.dispose();
      }
    }),
    { numRuns },
  );
}
