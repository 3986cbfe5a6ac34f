import { expect, test } from "bun:test";
import fc from "fast-check";

import { createDeadlines } from "../../../src/core/deadlines.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { openTestStore } from "../../support/open-store.ts";
import {
  createWriteServer,
  createThreadWrites,
  THREAD_DEADLINE_MS,
} from "../../../src/storage/writer/thread-writes.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { channel } from "../../support/channel.ts";

/*
 * Every call of the database by the commit queue may fail, before it had an effect or after. Under every failure, each
 * append is answered, acknowledged events are stored once, and the queue continues.
 */

/** The outcome of a call; `lost`: it had its effect, and its answer is lost. */
type Fate = "well" | "failed" | "busy" | "lost";

/** Long enough for a busy machine: the queue itself waits for nothing. */
const ANSWER_MS = 20_000;

/** So many that some are new at any time, and have to be read. */
const STREAMS = 30;

const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fate>("well") },
  { weight: 1, arbitrary: fc.constantFrom<Fate>("failed", "busy", "lost") },
);

const ERRORS: Readonly<Record<Exclude<Fate, "well">, string>> = {
  failed: "disk I/O error",
  busy: "database is locked",
  lost: "the connection was lost",
};

/** The database with the fates of its next calls; all is well when they are used up. */
function faulty(database: Database, fates: Fate[]): Database {
  const call = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    const next = fates.shift() ?? "well";
    // Calls overlap.
    await Bun.sleep(0);
    const result = next === "well" || next === "lost" ? await run() : null;
    if (next !== "well") throw new Error(ERRORS[next]);
    return result as Result;
  };
  return {
    ...database,
    read: (statement) => call(() => database.read(statement)),
    write: (statements) => call(() => database.write(statements)),
  };
}

/** As a server writes a file: in order, through a channel, while the next group is planned. */
function throughChannel(database: Database): Database {
  const [here, there] = channel();
  createWriteServer(database.write, systemClock).serve(there);
  const { write } = createThreadWrites(here, createDeadlines(systemClock, THREAD_DEADLINE_MS));
  return { ...database, ordered: true, write };
}

async function answered<Result>(work: Promise<Result>): Promise<Result> {
  const late = new AbortController();
  const silence = systemClock.sleep(ANSWER_MS, late.signal).then(() => {
    if (!late.signal.aborted) throw new Error("an append was never answered");
    return new Promise<never>(() => {});
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    late.abort();
  }
}

const DEPLOYMENTS: Readonly<Record<string, (database: Database) => Database>> = {
  "one thread": (database) => database,
  "a thread that writes": throughChannel,
  "a server": (database) => ({ ...database, embedded: false }),
};

for (const [name, deploy] of Object.entries(DEPLOYMENTS)) {
  test(`every append is answered, and acknowledged once, whichever call of the database fails: ${name}`, async () => {
    const appends = fc.array(fc.array(fc.nat(STREAMS - 1), { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(appends, fc.array(fate, { maxLength: 60 }), async (waves, fates) => {
        const memory = openDatabase({ url: ":memory:" });
        const working: Fate[] = [];
        const store = await openTestStore({
          database: deploy(faulty(memory, working)),
          clock: systemClock,
          limits: DEFAULT_LIMITS,
          pollIntervalMs: 100,
        });
        working.push(...fates);
        const acknowledged = new Map<string, number[]>();
        const append = async (subject: string): Promise<boolean> => {
          const event = { type: "A", time: null, data: null, extensions: null };
          const part = { subject, expectedVersion: "any", erases: false, events: [event] } as const;
          const outcome = await answered(
            store.writer.append({ parts: [part], idempotency: null }).catch(() => null),
          );
          if (outcome?.outcome !== "appended") return false;
          const [result] = outcome.results;
          acknowledged.set(subject, [...(acknowledged.get(subject) ?? []), result?.version ?? 0]);
          return true;
        };
        const underWay: Promise<boolean>[] = [];
        for (const wave of waves) {
          // Each wave comes while the one before is under way.
          underWay.push(...wave.map((stream) => append(`s-${stream}`)));
          await Bun.sleep(1);
        }
        await Promise.all(underWay);
        working.length = 0;
        for (let stream = 0; stream < STREAMS; stream += 1) expect(await append(`s-${stream}`)).toBe(true);

        for (const [subject, versions] of acknowledged) {
          expect(new Set(versions).size).toBe(versions.length);
          const rows = await memory.read({
            sql: `select version from events join subjects on subjects.id = events.subject
              where name = ? order by version`,
            args: [subject],
          });
          const stored = rows.map(([version]) => Number(version));
          expect(stored).toEqual(stored.map((_, index) => index + 1));
          for (const version of versions) expect(stored).toContain(version);
        }
        await store.close();
        memory.close();
      }),
      { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 40) },
    );
  }, 120_000);
}
