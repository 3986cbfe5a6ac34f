import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { z } from "zod";

import { createKilde } from "../../../src/embed/index.ts";
import { defineFeed } from "../../../src/index.ts";
import { createWorker, type KildeWorker } from "../../../src/worker.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../support/app.ts";
import { type FaultyProxy, startFaultyProxy } from "../../support/faulty-proxy.ts";
import { hasSqld, startSqld, type Sqld } from "../../support/sqld.ts";

setDefaultTimeout(60_000);

/** Subrequests that Cloudflare grants an invocation on its free plan. */
const MOST_CALLS = 50;

const SUBSCRIPTIONS = 30;

/** Ten feeds of the event log, and one of each of those. */
const FEEDS = Array.from({ length: 10 }, (_, index) => {
  const noted = z.object({ n: z.int() });
  const name = `notes-${index}`;
  return [
    defineFeed({
      name,
      version: 1,
      source: { streams: "note-" },
      events: { Noted: noted },
      contract: { Noted: noted },
      publish: { Noted: ({ data }) => ({ type: "Noted", data }) },
    }),
    defineFeed({
      name: `copies-${index}`,
      version: 1,
      source: { feed: name, version: 1 },
      events: { Noted: noted },
      contract: { Noted: noted },
      publish: { Noted: ({ data }) => ({ type: "Noted", data }) },
    }),
  ];
}).flat();

describe.skipIf(!hasSqld)("a worker with 20 feeds", () => {
  let sqld: Sqld;
  let counting: FaultyProxy;
  let calls = 0;

  beforeEach(async () => {
    sqld = await startSqld();
    counting = startFaultyProxy(sqld.url, () => {
      calls += 1;
      return "through";
    });
    // The schema is brought up to date before a deployment.
    const migrating = await createKilde({ databaseUrl: sqld.url });
    await migrating.close();
  });
  afterEach(async () => {
    await counting.stop();
    await sqld.stop();
  });

  /** A worker in an isolate of its own, which leaves feeds behind. */
  const isolate = () =>
    createWorker(
      { feeds: FEEDS },
      {
        env: {
          KILDE_DATABASE_URL: counting.url,
          KILDE_LOG_LEVEL: "silent",
          KILDE_OPEN: "true",
          KILDE_SECRET_KEYS: TEST_SECRET_KEY,
        },
        afterRequestMs: 0,
      },
    );

  /** Returns the answer to a request, and how many calls the worker made until then. */
  async function countedAnswer(worker: KildeWorker, path: string, init?: RequestInit) {
    calls = 0;
    const response = await worker.fetch(new Request(`http://kilde.test${path}`, init));
    expect([path, response.ok]).toEqual([path, true]);
    const text = await response.text();
    return { text, calls };
  }

  test("the first request of an isolate makes few calls, whether the feeds are new or known", async () => {
    expect((await countedAnswer(isolate(), "/events")).calls).toBeLessThan(MOST_CALLS / 2);
    expect((await countedAnswer(isolate(), "/events")).calls).toBeLessThan(MOST_CALLS / 3);
  });

  test("a call of the schedule makes few calls for feeds that have no work, and projects those that have some", async () => {
    const worker = isolate();
    const append = (n: number) =>
      countedAnswer(worker, "/streams/note-1", jsonPost({ events: [{ type: "Noted", data: { n } }] }));
    const areLiveAt = async (head: number) => {
      const { text } = await countedAnswer(worker, "/feeds");
      const { feeds } = JSON.parse(text) as { feeds: { status: string; head: number }[] };
      return feeds.every((feed) => feed.status === "live" && feed.head === head);
    };
    for (let n = 1; n <= 2; n += 1) {
      await append(n);
      let invocations = 0;
      for (; !(await areLiveAt(n)); invocations += 1) {
        calls = 0;
        await worker.scheduled(null);
        expect(calls).toBeLessThanOrEqual(MOST_CALLS);
      }
      expect(invocations).toBeLessThan(30);
    }
    calls = 0;
    await worker.scheduled(null);
    expect(calls).toBeLessThan(MOST_CALLS / 2);
  });

  test("answers about all feeds make the same few calls for 20 feeds that lag and have consumers, and for 30 subscriptions, as for one", async () => {
    const worker = isolate();
    const events = [{ type: "Noted", data: { n: 1 } }];
    await countedAnswer(worker, "/streams/note-1", jsonPost({ events }));
    for (const { name } of FEEDS) {
      const body = JSON.stringify({ position: 0 });
      await countedAnswer(worker, `/feeds/${name}/v1/consumers/cards`, { method: "PUT", body });
    }
    for (let n = 0; n < SUBSCRIPTIONS; n += 1) {
      const subscription = { source: "/events", url: `https://receiver.example/${n}`, start: "beginning" };
      await countedAnswer(worker, "/subscriptions", jsonPost(subscription));
    }
    const subscribed = await countedAnswer(worker, "/subscriptions");
    const { subscriptions } = JSON.parse(subscribed.text) as {
      subscriptions: { lag: { events: number } }[];
    };
    expect(subscriptions.map(({ lag }) => lag.events)).toEqual(Array<number>(SUBSCRIPTIONS).fill(1));
    const listed = await countedAnswer(worker, "/feeds");
    const { feeds } = JSON.parse(listed.text) as { feeds: { lag: { events: number }; types: string[] }[] };
    expect(feeds.map(({ lag, types }) => [lag.events, types])).toEqual(FEEDS.map(() => [1, ["Noted"]]));
    const overview = await countedAnswer(worker, "/overview");
    expect(JSON.parse(overview.text)).toMatchObject({
      feeds: { building: 20 },
      consumers: { "keeps-up": 20 },
    });
    const counts: [string, number][] = [
      ["/feeds", listed.calls],
      ["/overview", overview.calls],
      ["/subscriptions", subscribed.calls],
    ];
    for (const path of ["/metrics", "/asyncapi.json"])
      counts.push([path, (await countedAnswer(worker, path)).calls]);
    expect(counts.filter(([, made]) => made > MOST_CALLS / 3)).toEqual([]);
  });
});
