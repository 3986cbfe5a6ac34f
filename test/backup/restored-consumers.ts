import { expect } from "bun:test";
import fc from "fast-check";

import { createClient, KildeError, type KildeEvent } from "../../src/client/index.ts";
import {
  type Consumer,
  createConsumer,
  eventLog,
  type MemoryStore,
  memoryStore,
  type MemoryTransaction,
  type Transport,
} from "../../src/consumer/index.ts";
import { createCommandHandler, type Decider } from "../../src/decider/index.ts";
import type { TestApp } from "../support/app.ts";
import type { Restorable } from "../support/restorable.ts";
import { checkSchedules, type ScheduleSizes } from "./restore-schedules.ts";

/*
 * Random schedules of appends, backups and restores beneath two running servers, with the package's consumers over all
 * three transports, and a decider. Consumers end in agreement with the log, whatever they handled before, and the
 * decider never decides on a history that a restore replaced.
 */

const URL = "http://kilde.test";
const STREAMS = ["a", "b", "c", "d"];
const COUNTER = "counter";

type Action =
  | { readonly kind: "append"; readonly stream: number; readonly count: number }
  | { readonly kind: "count" }
  | { readonly kind: "back up" }
  | { readonly kind: "restore"; readonly backup: number; readonly by: "restore" | "renewal" }
  | { readonly kind: "renew" }
  | { readonly kind: "deliver"; readonly late: boolean }
  | { readonly kind: "ensure"; readonly stream: number }
  | { readonly kind: "reconstitute"; readonly all: boolean }
  | { readonly kind: "wait" };

const stream = fc.nat({ max: STREAMS.length - 1 });

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      stream,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("count" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("back up" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("restore" as const),
      backup: fc.nat({ max: 5 }),
      by: fc.constantFrom("restore" as const, "renewal" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("renew" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("deliver" as const), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("ensure" as const), stream }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reconstitute" as const), all: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const) }) },
);

interface Counted {
  readonly type: "Counted";
  readonly data: { readonly n: number };
}

/** A counter: the data of each event is the number of events before it. */
const counter: Decider<"count", Counted, number> = {
  initial: 0,
  decide: (_, count) => ({ type: "Counted", data: { n: count } }),
  evolve: (_, { data }) => data.n + 1,
};

interface Following {
  readonly consumer: Consumer;
  readonly store: MemoryStore;
}

function followBy(
  transport: Transport,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): Following {
  const store = memoryStore();
  const consumer = createConsumer<Record<string, unknown>, MemoryTransaction>({
    url: URL,
    feed: eventLog(),
    name: transport,
    store,
    transport,
    handle({ subject, version, data }, tx) {
      const before = (tx.get(subject) as string[] | undefined) ?? [];
      tx.set(subject, [...before, `${version} ${JSON.stringify(data)}`]);
    },
    reset: (subject, tx) => tx.delete(subject),
    backoff: { delayMs: 1, maxDelayMs: 4 },
    commitIntervalMs: 5,
    client: { fetch, retry: { attempts: 3, delayMs: 1, maxDelayMs: 2 } },
  });
  return { consumer, store };
}

/** The events of each stream in the log, in the form in which consumers record them. */
async function logged(app: TestApp): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const { subject, sequence, data } of await app.get("/events?limit=10000")) {
    (found[subject] ??= []).push(`${Number(sequence)} ${JSON.stringify(data)}`);
  }
  return found;
}

/** The server was restored between two requests that belong together; the next request reports it. */
function isRestore(error: unknown): boolean {
  return error instanceof KildeError && ["log-restored", "feed-behind"].includes(error.code);
}

const SETTLE_MS = 20_000;

async function runSchedule(
  actions: readonly Action[],
  restorable: Restorable,
  nodes: readonly TestApp[],
): Promise<void> {
  let requests = 0;
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    requests += 1;
    const app = nodes[requests % nodes.length];
    if (app === undefined) throw new Error("there is no such server");
    return app.fetch(url.slice(URL.length), init);
  };
  const client = createClient({ url: URL, fetch });
  const { handle } = createCommandHandler({ store: client });
  const pushed = followBy("push", fetch);
  const followings = [followBy("sse", fetch), followBy("poll", fetch), pushed];
  for (const { consumer } of followings) consumer.start();
  let read: KildeEvent[] = [];
  let backups = 0;
  let last = 0;

  const act = async (one: Action): Promise<void> => {
    switch (one.kind) {
      case "append": {
        const events = Array.from({ length: one.count }, () => ({ type: "Happened", data: (last += 1) }));
        await client.append(STREAMS[one.stream] ?? "", events, { logIdentity: null });
        return;
      }
      case "count":
        return void (await handle(COUNTER, counter, "count"));
      case "back up":
        backups = (await restorable.backUp()) + 1;
        return;
      case "restore":
        if (backups > 0) await restorable.restore(one.backup % backups, one.by);
        return;
      case "renew":
        return restorable.renew();
      case "deliver":
        // Late: the decider acts on an earlier read, perhaps of a replaced history.
        if (!one.late) read = await Array.fromAsync(client.read());
        return pushed.consumer.receive(read.toReversed());
      case "ensure":
        return void (await pushed.consumer.ensure(STREAMS[one.stream] ?? "", { asOf: "now" }));
      case "reconstitute":
        return void (await pushed.consumer.reconstitute({ all: one.all, requestsPerSecond: 10_000 }));
      case "wait":
        return Bun.sleep(4);
    }
  };
  try {
    for (const one of actions) {
      await act(one).catch((error: unknown) => {
        if (!isRestore(error)) throw error;
      });
    }
    // The last event may never have been delivered; reconstitution finds it.
    await pushed.consumer.reconstitute({ all: true, requestsPerSecond: 10_000 });
    const [app] = nodes;
    if (app === undefined) throw new Error("there is no server");
    const truth = await logged(app);
    for (const { consumer, store } of followings) {
      const held = () => Object.fromEntries(store.values) as Record<string, string[]>;
      const end = Date.now() + SETTLE_MS;
      while (!Bun.deepEquals(held(), truth) && Date.now() < end) await Bun.sleep(2);
      expect({ status: consumer.status(), held: held() }).toMatchObject({ held: truth });
    }
    const counted = truth[COUNTER] ?? [];
    expect(counted).toEqual(counted.map((_, n) => `${n + 1} {"n":${n}}`));
  } finally {
    await Promise.all(followings.map(({ consumer }) => consumer.stop()));
  }
}

export function checkRestoredConsumers(sizes: ScheduleSizes): Promise<void> {
  return checkSchedules(action, sizes, runSchedule);
}
