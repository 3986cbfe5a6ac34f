import { expect, test } from "bun:test";

import fc from "fast-check";

import {
  type Appended,
  type Client,
  createClient,
  KildeError,
  KildeUnreachableError,
  type NewEvent,
} from "../../src/client/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

const URL = "http://kilde.test";

/** The network's treatment of a request: `cut` breaks the answer off, and `late` delays it. */
const fate = fc.constantFrom("through", "through", "late", "lost", "unanswered", "cut", "busy");
type Fate = typeof fate extends fc.Arbitrary<infer Value> ? Value : never;

interface Planned {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expectedVersion: number | "any";
  /** Turns of promises before the next append. */
  readonly pause: number;
  readonly isAborted: boolean;
}

/** Appends with events that carry their number in the order of issue. */
const plan = fc
  .array(
    fc.record({
      stream: fc.constantFrom("a", "b", "c/ü", "d e"),
      count: fc.integer({ min: 1, max: 3 }),
      expectedVersion: fc.oneof(fc.constant("any" as const), fc.constant("any" as const), fc.nat({ max: 6 })),
      pause: fc.constantFrom(0, 0, 0, 1, 5, 20),
      isAborted: fc.constantFrom(false, false, false, false, true),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((appends): Planned[] =>
    appends.map(({ count, ...append }, number) => ({
      ...append,
      events: Array.from({ length: count }, (_, index) => ({ type: "A", data: [number, index] })),
    })),
  );

function clientOver(app: TestApp, fates: readonly Fate[]): Client {
  const left = [...fates];
  return createClient({
    url: URL,
    retry: { attempts: 3, delayMs: 1, maxDelayMs: 2 },
    fetch: async (url, init) => {
      init.signal?.throwIfAborted();
      const now = left.shift() ?? "through";
      if (now === "lost") throw new TypeError("connection reset");
      if (now === "busy") return new Response("busy", { status: 503 });
      const answer = await app.fetch(url.slice(URL.length), { ...init, signal: null });
      if (now === "unanswered") throw new TypeError("connection reset");
      if (now === "late") await Bun.sleep(2);
      if (now !== "cut") return answer;
      const text = await answer.text();
      return new Response(text.slice(0, Math.floor(text.length / 2)), answer);
    },
  });
}

type Outcome = { readonly result: Appended } | { readonly error: unknown };

async function outcomeOf(work: Promise<Appended>): Promise<Outcome> {
  try {
    return { result: await work };
  } catch (error) {
    return { error };
  }
}

/** Issues the appends without waiting for their results. */
async function issue(client: Client, appends: readonly Planned[]): Promise<Outcome[]> {
  const outcomes: Promise<Outcome>[] = [];
  for (const { stream, events, expectedVersion, pause, isAborted } of appends) {
    const stop = new AbortController();
    const signal = isAborted ? { signal: stop.signal } : {};
    outcomes.push(outcomeOf(client.append(stream, events, { expectedVersion, ...signal })));
    for (let turn = 0; turn < pause; turn += 1) await Promise.resolve();
    stop.abort();
  }
  return Promise.all(outcomes);
}

/** The numbers of the appends in a stream, in its order, each with the version of its last event. */
async function appendsIn(app: TestApp, stream: string): Promise<Map<number, number>> {
  const answer = await app.fetch(`/streams/${encodeURIComponent(stream)}`);
  if (answer.status === 404) return new Map();
  const events = (await answer.json()) as { readonly data: [number, number]; readonly sequence: string }[];
  const found = new Map<number, number>();
  const seen = new Set<string>();
  for (const { data, sequence } of events) {
    expect(seen.has(data.join())).toBe(false);
    seen.add(data.join());
    found.set(data[0], Number(sequence));
  }
  return found;
}

test(
  "every append settles as the store shows it, once and in order, whatever the network loses",
  () =>
    fc.assert(
      fc.asyncProperty(plan, fc.array(fate, { maxLength: 30 }), async (appends, fates) => {
        const app = await openApp();
        try {
          const outcomes = await issue(clientOver(app, fates), appends);
          for (const stream of new Set(appends.map((append) => append.stream))) {
            const found = await appendsIn(app, stream);
            // A server may execute an aborted request later.
            const numbers = [...found.keys()].filter((number) => appends[number]?.isAborted === false);
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
            for (const [number, outcome] of outcomes.entries()) {
              if (appends[number]?.stream !== stream) continue;
              if ("result" in outcome) expect(found.get(number)).toBe(outcome.result.version);
              else if (outcome.error instanceof KildeUnreachableError && outcome.error.isOutcomeUnknown)
                continue;
              else if (
                appends[number].isAborted &&
                !(outcome.error instanceof Error && "code" in outcome.error)
              )
                continue;
              else if (outcome.error instanceof KildeError) expect(found.has(number)).toBe(false);
            }
          }
        } finally {
          await app.close();
        }
      }),
      { numRuns: 60 },
    ),
  60_000,
);

/** The parts of an outcome that do not depend on the order of different streams. */
function shownOutcome(outcome: Outcome): unknown {
  if ("result" in outcome) {
    const { position: _, ...result } = outcome.result;
    return result;
  }
  const { error } = outcome;
  if (!(error instanceof KildeError)) return String(error);
  const { head: _head, log: _log, ...members } = error.members;
  return [error.code, error.message, members];
}

const EVENTS: readonly NewEvent[][] = [
  [],
  [{ type: "" }],
  [{ type: "A", time: "yesterday" }],
  [{ type: "A", data: "x".repeat(1_100_000) }],
  [{ type: "A", metadata: { x: 1 } }],
  [{ type: "A", attributes: { Bad: 1 } }],
  [{ type: "A" }, { type: "B", data: { n: 1 } }],
];

const odd = fc.record({
  stream: fc.constantFrom("a", "b", "c", "", "s".repeat(2_000), "\u0000", "\ud800x", "ü/ö"),
  events: fc.constantFrom(...EVENTS),
  expectedVersion: fc.constantFrom("any", "exists", 0, 1, 2, -1, 1.5) as fc.Arbitrary<number | "any">,
  idempotencyKey: fc.constantFrom(undefined, undefined, "", "key-1", "key-2", "k".repeat(3_000)),
});

test(
  "an append that shares a request has the outcome that it has alone",
  () =>
    fc.assert(
      fc.asyncProperty(fc.array(odd, { minLength: 2, maxLength: 12 }), async (appends) => {
        const [together, alone] = [await openApp(), await openApp()];
        try {
          const call = (
            client: Client,
            { stream, events, expectedVersion, idempotencyKey }: (typeof appends)[number],
          ) => {
            const key =
              idempotencyKey === undefined
                ? {}
                : { idempotencyKey: `${idempotencyKey}${idempotencyKey === "" ? "" : stream.slice(0, 3)}` };
            return outcomeOf((async () => client.append(stream, events, { expectedVersion, ...key }))());
          };
          const merging = clientOver(together, []);
          const merged = await Promise.all(appends.map((append) => call(merging, append)));
          const single = clientOver(alone, []);
          const expected: Outcome[] = [];
          for (const append of appends) expected.push(await call(single, append));
          expect(merged.map(shownOutcome)).toEqual(expected.map(shownOutcome));
        } finally {
          await Promise.all([together.close(), alone.close()]);
        }
      }),
      { numRuns: 60 },
    ),
  60_000,
);
