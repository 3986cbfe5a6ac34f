import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";

import { Hono } from "hono";
import { z } from "zod";

import { createConsumer, feed, memoryStore, type Transport } from "../../../src/consumer/index.ts";
import { createKilde, type Kilde } from "../../../src/embed/index.ts";
import { defineFeed } from "../../../src/index.ts";

/** Follows embedded stores in Node, which runs with `--expose-gc`, and prints the failures by title. */
const notes = defineFeed({
  name: "notes",
  version: 1,
  events: { Opened: z.object({ title: z.string() }) },
  contract: { Opened: z.object({ title: z.string() }) },
  publish: { Opened: ({ data }) => ({ type: "Opened", data }) },
});
const opened = (title: string) => ({ type: "Opened", data: { title } });

/** Frees what only weak references reach, as Node does sooner or later. */
async function collectGarbage(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await wait(10);
    (globalThis as { gc?: () => void }).gc?.();
  }
}

async function inTime<Result>(what: string, work: Promise<Result>): Promise<Result> {
  const late = new AbortController();
  const failing = wait(5_000, null, { signal: late.signal }).then(() => assert.fail(`${what} took too long`));
  try {
    return await Promise.race([work, failing]);
  } finally {
    failing.catch(() => {});
    late.abort();
  }
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await isTrue()); waited += 10) {
    assert.ok(waited < 5_000, `${what} did not happen within 5 seconds`);
    await wait(10);
  }
}

/** The way of a consumer's requests to the store. */
interface Through {
  readonly url: string;
  readonly send: (request: Request) => Response | Promise<Response>;
}

async function consume(
  kilde: Kilde,
  transport: Transport,
  through: Through = { url: "http://kilde.test", send: kilde.fetch },
): Promise<void> {
  const { url: at, send } = through;
  const errors: unknown[] = [];
  const store = memoryStore();
  const consumer = createConsumer({
    url: at,
    feed: feed<{ Opened: { title: string } }>("notes/v1"),
    name: "titles",
    store,
    transport,
    onError: (error) => errors.push(error),
    client: { fetch: async (url, init) => send(new Request(url, init)) },
    handle(event, tx) {
      if (event.type === "Opened") tx.set(event.subject, event.data.title);
    },
  });
  consumer.start();
  await until("following", () => consumer.status().phase === "live");
  await collectGarbage();
  await kilde.append("note-1", opened("First"));
  await until("the event", () => store.values.get("note-1") === "First");
  await until("the list of the consumer", async () => {
    for await (const { consumer: name } of kilde.consumers("notes/v1")) if (name === "titles") return true;
    return false;
  });
  await collectGarbage();
  await inTime("stopping", consumer.stop());
  // A long-poll waits in the store until its timeout.
  if (transport === "sse")
    await until("the end of the stream in the store", async () => {
      const metrics = await kilde.fetch(new Request("http://kilde.test/metrics"));
      return /^kilde_followers 0$/m.test(await metrics.text());
    });
  assert.deepEqual(errors, []);
}

const SCENARIOS: Readonly<Record<string, (kilde: Kilde) => Promise<void>>> = {
  "a consumer with an event stream receives later events, and stops": (kilde) => consume(kilde, "sse"),
  "a consumer with long-polls receives later events, and stops": (kilde) => consume(kilde, "poll"),
  async "a consumer whose event stream passes another app receives later events, and stops"(kilde) {
    const outer = new Hono().mount("/kilde", kilde.fetch);
    const through: Through = { url: "http://kilde.test/kilde", send: (request) => outer.fetch(request) };
    await consume(kilde, "sse", through);
  },
  async "a consumer whose long-polls pass another app receives later events, and stops"(kilde) {
    const outer = new Hono().mount("/kilde", kilde.fetch);
    const through: Through = { url: "http://kilde.test/kilde", send: (request) => outer.fetch(request) };
    await consume(kilde, "poll", through);
  },
  async "a follower of the store ends when its signal aborts"(kilde) {
    const stop = new AbortController();
    const found: string[] = [];
    const following = (async () => {
      for await (const { subject } of kilde.follow({ signal: stop.signal })) found.push(subject);
    })();
    await kilde.append("note-1", opened("First"));
    await until("the event", () => found.length === 1);
    await collectGarbage();
    stop.abort();
    await inTime("the end", following);
  },
  async "an event stream of fetch ends when the signal of its request aborts"(kilde) {
    const stop = new AbortController();
    const { body } = await kilde.fetch(
      new Request("http://kilde.test/events", {
        headers: { accept: "text/event-stream" },
        signal: stop.signal,
      }),
    );
    const reader = (body ?? assert.fail("no body")).getReader();
    await reader.read();
    const next = reader.read();
    await collectGarbage();
    stop.abort();
    assert.equal((await inTime("the end", next)).done, true);
  },
};

const failures: Record<string, string> = {};
for (const [title, run] of Object.entries(SCENARIOS)) {
  const kilde = await createKilde({ databaseUrl: ":memory:", feeds: [notes] });
  await run(kilde).catch((error: unknown) => {
    failures[title] = error instanceof Error ? (error.stack ?? error.message) : String(error);
  });
  await kilde.close();
}
// Not an exit: nothing that was closed keeps the process alive.
console.log(JSON.stringify({ titles: Object.keys(SCENARIOS), failures }));
