import { expect } from "bun:test";

import fc from "fast-check";

import type { Clock } from "../../src/core/clock.ts";
import { runtimeClock } from "../../src/core/runtime-clock.ts";
import { createClient } from "../../src/client/index.ts";
import { type Consumer, type ConsumerStore, eventLog, type Transport } from "../../src/consumer/index.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp, type WireEvent } from "../support/app.ts";
import { type Effects, quickConsumer, URL } from "./support.ts";

/*
 * Random work between a server and consumers that crash, over a network that loses, repeats and reorders both events
 * and answers. Each handled event must have been handled once, in order, and with nothing left out before it.
 */

export type Action =
  | { readonly kind: "append"; readonly stream: number; readonly count: number }
  | { readonly kind: "erase"; readonly stream: number }
  /** Hands in events from anywhere in the log, in any order. */
  | { readonly kind: "push"; readonly picks: readonly number[] }
  | { readonly kind: "ensure"; readonly stream: number; readonly now: boolean }
  | { readonly kind: "start"; readonly transport: Transport }
  | { readonly kind: "stop" }
  /** The consumer is gone in the middle of whatever it does, and another takes its place. */
  | { readonly kind: "crash" }
  /** The next requests are lost, or their answers are. */
  | { readonly kind: "outage"; readonly requests: number; readonly answers: boolean }
  /** The next calls of the handler fail, after they wrote. */
  | { readonly kind: "bad"; readonly calls: number }
  /** The next transactions fail: undone, or done and not answered. */
  | { readonly kind: "store"; readonly transactions: number; readonly committed: boolean }
  | { readonly kind: "reconstitute" }
  /** The wall clock of server and consumer is corrected. */
  | { readonly kind: "clock"; readonly hours: number }
  | { readonly kind: "rest"; readonly ms: number };

const STREAMS = 4;

/** By then, a consumer without further failures has finished. */
const QUIET_MS = 20_000;

const stream = fc.nat(STREAMS - 1);
const few = fc.integer({ min: 1, max: 4 });

function action<Kind extends Action["kind"]>(
  kind: Kind,
  weight: number,
  rest: { [Member in Exclude<keyof Extract<Action, { kind: Kind }>, "kind">]: fc.Arbitrary<unknown> },
): { weight: number; arbitrary: fc.Arbitrary<Action> } {
  return { weight, arbitrary: fc.record({ kind: fc.constant(kind), ...rest }) as fc.Arbitrary<Action> };
}

export const actions = fc.array(
  fc.oneof(
    action("append", 8, { stream, count: few }),
    action("erase", 1, { stream }),
    action("push", 6, { picks: fc.array(fc.nat(999), { minLength: 1, maxLength: 6 }) }),
    action("ensure", 2, { stream, now: fc.boolean() }),
    action("start", 4, { transport: fc.constantFrom("sse", "poll", "push") }),
    action("stop", 1, {}),
    action("crash", 2, {}),
    action("outage", 2, { requests: few, answers: fc.boolean() }),
    action("bad", 2, { calls: few }),
    action("store", 2, { transactions: few, committed: fc.boolean() }),
    action("reconstitute", 1, {}),
    action("clock", 1, { hours: fc.constantFrom(-30, -2, 2, 30) }),
    action("rest", 4, { ms: fc.integer({ min: 0, max: 8 }) }),
  ),
  { minLength: 1, maxLength: 40 },
);

interface Faults {
  outage: { requests: number; answers: boolean };
  bad: number;
  store: { transactions: number; committed: boolean };
  /** Whether events of the log are lost, repeated and reordered on their way. */
  mangles: boolean;
}

/** The effect of a stream's events up to a version: those since its last erasure. */
function fold(history: readonly string[]): string {
  return history.reduce((state, entry) => (entry.endsWith("kilde.erased") ? entry : `${state},${entry}`), "");
}

/** A store that fails on request, and permanently when its process is gone. */
function failing<Tx>(store: ConsumerStore<Tx>, faults: Faults, isGone: () => boolean): ConsumerStore<Tx> {
  return {
    ...store,
    async transact(work) {
      const fails = faults.store.transactions > 0;
      if (fails) faults.store.transactions -= 1;
      const result = await store.transact(async (tx) => {
        if (isGone()) throw new Error("this process is gone");
        const done = await work(tx);
        if (isGone()) throw new Error("this process is gone");
        if (fails && !faults.store.committed) throw new Error("the disk is full");
        return done;
      });
      if (fails) throw new Error("the connection to the database is lost");
      return result;
    },
  };
}

/** Events of the log as they arrive. */
function mangled(events: readonly WireEvent[], chance: () => number): WireEvent[] {
  const some = events.flatMap((event) => {
    const fate = chance() % 4;
    return fate === 0 ? [] : fate === 1 ? [event, event] : [event];
  });
  return chance() % 3 === 0 ? some.toReversed() : some;
}

function mangledStream(response: Response, chance: () => number): Response {
  if (response.body === null) return response;
  const lossy = new TransformStream<string, string>({
    transform(text, controller) {
      for (const part of text.split("\n\n").filter((each) => each !== "")) {
        const times = part.startsWith("retry") || part.startsWith(":") ? 1 : [0, 1, 1, 2][chance() % 4];
        for (let time = 0; time < (times ?? 1); time += 1) controller.enqueue(`${part}\n\n`);
      }
    },
  });
  const text = response.body.pipeThrough(new TextDecoderStream());
  return new Response(text.pipeThrough(lossy).pipeThrough(new TextEncoderStream()), response);
}

function networkTo(app: TestApp, faults: Faults, chance: () => number) {
  return async (url: string, init: RequestInit): Promise<Response> => {
    const path = url.slice(URL.length);
    const fails = faults.outage.requests > 0;
    if (fails) faults.outage.requests -= 1;
    if (fails && !faults.outage.answers) throw new TypeError("connection refused");
    const response = await app.fetch(path, init);
    if (fails) throw new TypeError("connection reset");
    if (!faults.mangles || !response.ok || !path.startsWith("/events?") || init.method === "HEAD")
      return response;
    if (response.headers.get("content-type")?.startsWith("text/event-stream") === true) {
      return mangledStream(response, chance);
    }
    const events = mangled((await response.json()) as WireEvent[], chance);
    return Response.json(events, { headers: { "kilde-head": response.headers.get("kilde-head") ?? "" } });
  };
}

/**
 * Does the work, and checks the result. Returns the number of subjects whose missing events only a reconstitution
 * found.
 */
export async function simulate<Tx>(
  effects: Effects<Tx>,
  work: readonly Action[],
  chance: () => number,
): Promise<{ lost: number }> {
  const closing = new AbortController();
  let aheadMs = 0;
  const clock: Clock = { ...runtimeClock, now: () => Date.now() + aheadMs };
  const app = await openApp({ closing: closing.signal, clock });
  const faults: Faults = {
    outage: { requests: 0, answers: false },
    bad: 0,
    store: { transactions: 0, committed: false },
    mangles: true,
  };
  const fetch = networkTo(app, faults, chance);
  const kilde = createClient({ url: URL, fetch: (url, init) => app.fetch(url.slice(URL.length), init) });
  const history = new Map<string, string[]>();
  const accepted = new Map<string, number>();
  let life = 0;
  let clientOf: Consumer;
  let transport: Transport = "push";
  const begin = (): Consumer => {
    const born = (life += 1);
    return quickConsumer({
      feed: eventLog(),
      name: "simulated",
      transport,
      store: failing(effects.store, faults, () => born !== life),
      async handle(event, tx) {
        await effects.record(tx, event.subject, `${event.version} ${event.type}`);
        if (faults.bad > 0) {
          faults.bad -= 1;
          throw new Error("bad");
        }
      },
      batchEvents: 3,
      clock,
      client: { fetch },
    });
  };
  clientOf = begin();

  const crash = () => {
    // Nobody waits for it: what it still tries fails.
    void clientOf.stop().catch(() => {});
    clientOf = begin();
  };

  const act = async (each: Action): Promise<void> => {
    const name = "stream" in each ? `s-${each.stream}` : "";
    const known = history.get(name) ?? [];
    switch (each.kind) {
      case "append": {
        const isErased = known.at(-1)?.endsWith("kilde.erased") === true;
        const added = Array.from(
          { length: each.count },
          (_, index) => `${known.length + index + 1} Happened`,
        );
        const expectedVersion = isErased ? known.length : ("any" as const);
        await kilde.append(
          name,
          added.map(() => ({ type: "Happened" })),
          { expectedVersion },
        );
        history.set(name, [...known, ...added]);
        return;
      }
      case "erase":
        if (known.length === 0 || known.at(-1)?.endsWith("kilde.erased") === true) return;
        await kilde.erase(name, "asked to");
        history.set(name, [...known, `${known.length + 1} kilde.erased`]);
        return;
      case "push": {
        const log = await Array.fromAsync(kilde.read());
        const picked = each.picks.flatMap((pick) => log[pick % Math.max(1, log.length)] ?? []);
        try {
          await clientOf.receive(picked);
        } catch {
          return;
        }
        for (const { subject, version } of picked) {
          accepted.set(subject, Math.max(version, accepted.get(subject) ?? 0));
        }
        return;
      }
      case "ensure":
        await clientOf.ensure(name, each.now ? { asOf: "now" } : {}).catch(() => null);
        return;
      case "start":
        if (transport !== each.transport) {
          transport = each.transport;
          crash();
        }
        clientOf.start();
        return;
      case "stop":
        await clientOf.stop();
        return;
      case "crash":
        crash();
        return;
      case "outage":
        faults.outage = { requests: each.requests, answers: each.answers };
        return;
      case "bad":
        faults.bad = each.calls;
        return;
      case "store":
        faults.store = { transactions: each.transactions, committed: each.committed };
        return;
      case "reconstitute":
        await clientOf.reconstitute().catch(() => null);
        return;
      case "clock":
        aheadMs += each.hours * 3_600_000;
        return;
      case "rest":
        await Bun.sleep(each.ms);
    }
  };

  try {
    for (const each of work) await act(each);
    // Quiet: nothing fails any more, and blocked subjects are retried.
    Object.assign(faults, {
      outage: { requests: 0, answers: false },
      bad: 0,
      store: { transactions: 0, committed: false },
    });
    crash();
    clientOf.start();
    const end = Date.now() + QUIET_MS;
    await eventually(() => {
      const status = clientOf.status();
      if (Date.now() > end) throw new Error(`it never gets quiet: ${JSON.stringify(status)}`);
      return status.phase === "live" && status.blocked.length === 0;
    });
    await clientOf.stop();

    let lost = 0;
    const before = await effects.read();
    for (const [name, whole] of history) {
      const entries = before[name] ?? [];
      const reached = Number(entries.at(-1)?.split(" ")[0] ?? 0);
      expect(reached).toBeGreaterThanOrEqual(accepted.get(name) ?? 0);
      expectOnce(entries);
      expect(fold(entries)).toBe(fold(whole.slice(0, reached)));
      if (reached < whole.length) lost += 1;
    }

    await clientOf.reconstitute({ all: true });
    const after = await effects.read();
    expect(Object.keys(after).toSorted()).toEqual([...history.keys()].toSorted());
    for (const [name, whole] of history) {
      const entries = after[name] ?? [];
      expectOnce(entries);
      expect(fold(entries)).toBe(fold(whole));
    }
    return { lost };
  } finally {
    await clientOf.stop();
    closing.abort();
    await app.close();
  }
}

/** Versions grow, and leave out only what an erasure took. */
function expectOnce(entries: readonly string[]): void {
  let version = 0;
  for (const entry of entries) {
    const next = Number(entry.split(" ")[0]);
    if (entry.endsWith("kilde.erased")) expect(next).toBeGreaterThan(version);
    else expect(next).toBe(version + 1);
    version = next;
  }
}
