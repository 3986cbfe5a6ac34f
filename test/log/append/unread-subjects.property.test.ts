import { expect, test } from "bun:test";
import fc from "fast-check";

import type { ExpectedVersion } from "../../../src/core/event.ts";
import { jsonText } from "../../../src/core/json.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { AppendOutcome, AppendPart } from "../../../src/log/append/plan.ts";
import { erasure } from "../../../src/log/erase/erasures.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { type ComposedStore, openTestStore } from "../../support/open-store.ts";
import { forEachDeployment } from "../../support/deployments.ts";

/*
 * Stores that know nothing of the streams, or something outdated, append without reading first. With right and wrong
 * assumptions, each append has the outcome that it has on the stream as it is, and its receipts are where its events are.
 */

const STREAMS = 3;

type Step =
  | { readonly kind: "forget" }
  | { readonly kind: "erase" | "truncate"; readonly stream: number; readonly store: 0 | 1 }
  | { readonly kind: "append"; readonly store: 0 | 1; readonly appends: readonly Append[] };

interface Append {
  readonly parts: readonly { readonly stream: number; readonly events: number; readonly expects: Expects }[];
  readonly key: number | null;
}

type Expects = "any" | "exists" | "none" | "current" | "wrong";

const stream = fc.nat(STREAMS - 1);
const store = fc.constantFrom(0 as const, 1 as const);

const append: fc.Arbitrary<Append> = fc.record({
  parts: fc.array(
    fc.record({
      stream,
      events: fc.constantFrom(1, 2, 3, 12),
      expects: fc.constantFrom<Expects>("any", "any", "any", "current", "current", "exists", "none", "wrong"),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  key: fc.option(fc.nat(30), { freq: 2 }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      store,
      appends: fc.array(append, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "forget" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom("erase" as const, "truncate" as const), store, stream }),
  },
);

/** The log as it has to be. */
class Model {
  readonly streams = new Map<string, { version: number; erased: boolean }>();
  readonly keys = new Map<string, { fingerprint: string; results: unknown }>();
  head = 0;

  stateOf(subject: string) {
    return this.streams.get(subject) ?? { version: 0, erased: false };
  }

  append(parts: readonly AppendPart[], key: string | null, fingerprint: string): unknown {
    const first = key === null ? undefined : this.keys.get(key);
    if (first !== undefined)
      return first.fingerprint === fingerprint
        ? { replayed: true, results: first.results }
        : "idempotency-key-reused";
    const planned = new Map<string, { version: number; erased: boolean }>();
    let head = this.head;
    const results = [];
    for (const { subject, expectedVersion, events } of parts) {
      const { version, erased } = planned.get(subject) ?? this.stateOf(subject);
      if (typeof expectedVersion === "number" && expectedVersion !== version) return "version-conflict";
      if (typeof expectedVersion !== "number" && erased) return "stream-erased";
      if (expectedVersion === "exists" && version === 0) return "version-conflict";
      head += events.length;
      planned.set(subject, { version: version + events.length, erased: false });
      results.push({ subject, version: version + events.length, position: head, count: events.length });
    }
    for (const [subject, state] of planned) this.streams.set(subject, state);
    this.head = head;
    if (key !== null) this.keys.set(key, { fingerprint, results });
    return { replayed: false, results };
  }
}

function answerOf(outcome: AppendOutcome): unknown {
  return outcome.outcome === "appended"
    ? { replayed: outcome.replayed, results: outcome.results }
    : outcome.outcome;
}

function statedVersion(expects: Expects, version: number): ExpectedVersion {
  if (expects === "none") return 0;
  if (expects === "current") return version;
  return expects === "wrong" ? version + 1 : expects;
}

function partsOf({ parts }: Append, model: Model, named: (stream: number) => string): AppendPart[] {
  return parts.map(({ stream: number, events, expects }) => ({
    subject: named(number),
    expectedVersion: statedVersion(expects, model.stateOf(named(number)).version),
    events: Array.from({ length: events }, () => ({
      type: "A",
      time: null,
      data: jsonText(1),
      extensions: null,
    })),
    erases: false,
  }));
}

async function expectGapless(database: Database, model: Model): Promise<void> {
  for (const [subject, { version }] of model.streams) {
    const rows = await database.read({
      sql: `select version from events join subjects on subjects.id = events.subject where name = ? order by version`,
      args: [subject],
    });
    const versions = rows.map(([each]) => Number(each));
    const from = version - versions.length;
    expect(versions).toEqual(versions.map((_, index) => from + index + 1));
    expect(versions.at(-1)).toBe(version);
  }
  const [log] = await database.read({ sql: "select head from logs where id = 0", args: [] });
  expect(log).toEqual([model.head]);
}

forEachDeployment(["memory", "file", "sqld"], (deployment) => {
  test(`appends to streams that were not read have the right outcomes and receipts (${deployment.name})`, async () => {
    const opened = await deployment.open();
    const runs = Number(process.env["PROPERTY_RUNS"] ?? (deployment.name === "sqld" ? 5 : 40));
    let history = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 24 }), async (steps) => {
        history += 1;
        const database = deployment.name === "memory" ? openDatabase({ url: ":memory:" }) : opened.database();
        const shared: Database = { ...database, close() {} };
        const open = () =>
          openTestStore({
            database: shared,
            clock: systemClock,
            limits: DEFAULT_LIMITS,
            pollIntervalMs: 100,
          });
        let stores: readonly [ComposedStore, ComposedStore] = [await open(), await open()];
        const model = new Model();
        const [start] = await database.read({
          sql: "select head, identity from logs where id = 0",
          args: [],
        });
        model.head = Number(start?.[0]);
        const identity = String(start?.[1]);
        const named = (number: number) => `${history}-s-${number}`;
        for (const each of steps) {
          if (each.kind === "forget") {
            for (const old of stores) await old.close();
            stores = [await open(), await open()];
          } else if (each.kind === "append") {
            // A group: the appends have outcomes as if they ran one after the other.
            const outcomes: Promise<AppendOutcome>[] = [];
            const expected: unknown[] = [];
            for (const one of each.appends) {
              const parts = partsOf(one, model, named);
              const key = one.key === null ? null : `${history}-${one.key}`;
              const fingerprint = JSON.stringify(
                parts.map(({ subject, events }) => [subject, events.length]),
              );
              const idempotency = key === null ? null : { key, fingerprint };
              outcomes.push(stores[each.store].writer.append({ parts, idempotency }));
              expected.push(model.append(parts, key, fingerprint));
            }
            expect((await Promise.all(outcomes)).map(answerOf)).toEqual(expected);
          } else {
            const subject = named(each.stream);
            const state = model.stateOf(subject);
            if (state.version === 0 || state.erased) continue;
            const { writer } = stores[each.store];
            if (each.kind === "truncate") {
              await writer.truncate({ subject, before: state.version, by: null, reason: null, identity });
            } else {
              const erased = await writer.append(erasure(subject, "test", "exists"));
              expect(erased.outcome).toBe("appended");
              model.head += 1;
              model.streams.set(subject, { version: state.version + 1, erased: true });
            }
          }
        }
        await expectGapless(database, model);
        for (const each of stores) await each.close();
        database.close();
      }),
      { numRuns: runs },
    );
    await opened.dispose();
  });
});
