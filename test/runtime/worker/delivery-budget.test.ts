import { expect, test } from "bun:test";

import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { addSubscription } from "../../../src/webhooks/subscriptions/change.ts";
import { readSubscription } from "../../../src/webhooks/subscriptions/record.ts";
import { deliverInSlices } from "../../../src/webhooks/dispatch/slice.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openLogReader } from "../../../src/log/read/reader.ts";
import { writeBatch } from "../../../src/storage/batch-writer.ts";
import { countCalls } from "../../../src/runtime/worker/call-budget.ts";
import { runSlices } from "../../../src/jobs/slices.ts";
import { openApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { createMadeTime, trackedCalls } from "../../webhooks/simulation/clock.ts";
import { subscriptionRow } from "../../webhooks/subscription-row.ts";

/* Invocations of a worker that may make few calls, and fail those beyond, as platforms do. */

const CALLS = 50;
const SUBSCRIPTIONS = 12;
const EVENTS = 27;

/** Feeds, each of which takes a few calls to find that it has nothing to do. */
test.each([0, 4])(
  "%p feeds beside many subscriptions that are behind: all are delivered, a few calls at a time, and hardly anything twice",
  async (feeds) => {
    const database = await newDatabase();
    const app = await openApp({ database });
    for (let n = 0; n < EVENTS; n += 1) await app.append(`s-${n % 3}`, { type: "A", data: n });
    const ids = Array.from({ length: SUBSCRIPTIONS }, (_, n) => `sub_${n}`);
    for (const id of ids) {
      await addSubscription(app.store.writer, subscriptionRow(id));
    }

    // The pauses of a busy machine would add saves and looks, which are calls.
    const answers = trackedCalls();
    const time = createMadeTime(Date.now(), answers.settled);
    const clock = time.clock(0);

    const taken: string[] = [];
    let sweeps = 0;
    const invoke = async () => {
      const calls = countCalls(CALLS);
      let made = 0;
      const call = <Result>(run: () => Promise<Result>): Promise<Result> => {
        calls.spend();
        made += 1;
        return made > CALLS ? Promise.reject(new Error("too many calls")) : run();
      };
      const counted: Database = {
        ...database,
        read: (statement) => call(() => answers.track(database.read(statement))),
        write: (statements) => call(() => answers.track(database.write(statements))),
      };
      const delivering = deliverInSlices({
        database: counted,
        writer: { write: (statements) => writeBatch(counted, clock, statements), sweep: () => {} },
        clock,
        chance: () => Math.random(),
        holder: crypto.randomUUID(),
        send: ({ url, body }) =>
          call(async () => {
            await clock.sleep(1);
            taken.push(`${url} ${(JSON.parse(body ?? "") as { id: string }).id}`);
            return { kind: "answered", status: 204, header: () => null, durationMs: 1 };
          }),
        secretsOf: () => Promise.resolve({ sign: () => "v1,none", headers: {} }),
        readerOf: (log) =>
          openLogReader({ database: counted, clock, limits: DEFAULT_LIMITS, pollIntervalMs: 250 }, log),
        blockedSubjects: 1_000,
        mostRetryAfterMs: 1_000,
        onEvent: () => {},
      });
      const sweeping = {
        name: "sweep",
        async run() {
          await counted.read({ sql: "select 1", args: [] });
          sweeps += 1;
          return "idle" as const;
        },
      };
      const projecting = {
        name: "project",
        async run() {
          for (let n = 0; n < 3; n += 1) await counted.read({ sql: "select 1", args: [] });
          return "idle" as const;
        },
      };
      let isOver = false;
      const slices = runSlices(
        [...Array.from({ length: feeds }, () => projecting), delivering, sweeping],
        { deadline: clock.monotonic() + 20_000, signal: calls.signal },
        { clock, share: (parts) => calls.share(parts), onFailure: () => {} },
      ).finally(() => (isOver = true));
      while (!isOver) await time.runUntil(time.now() + 100);
      await slices;
      expect(made).toBeLessThanOrEqual(CALLS);
    };

    const all = SUBSCRIPTIONS * EVENTS;
    let invocations = 0;
    while (new Set(taken).size < all) {
      const before = new Set(taken).size;
      await invoke();
      invocations += 1;
      expect(new Set(taken).size).toBeGreaterThan(before);
      // Whatever is behind, the other work of each invocation gets its share.
      expect(sweeps).toBeGreaterThanOrEqual(invocations);
    }
    await invoke();
    const cursors = await Promise.all(ids.map(async (id) => (await readSubscription(database, id))?.cursor));
    expect(new Set(cursors)).toEqual(new Set([EVENTS]));
    expect(taken.length).toBeLessThanOrEqual(all * 1.1);
    await app.close();
  },
  120_000,
);
