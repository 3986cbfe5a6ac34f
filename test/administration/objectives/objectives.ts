import { expect } from "bun:test";

import { ENTRY_TYPES, type EntryType } from "../../../src/administration/catalog.ts";
import { OPERATIONS_PATH } from "../../../src/administration/operations-log.ts";
import type { Objective } from "../../../src/core/objective.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { RegisteredFeed } from "../../../src/feeds/lifecycle/register.ts";
import { storeObjectivesJob, type StoreObjectivesDeps } from "../../../src/runtime/objectives.ts";
import type { Database } from "../../../src/storage/database.ts";
import type { WireEvent } from "../../support/app.ts";

/** An objective with the members that a test does not state. */
export function objective(stated: Pick<Objective, "kind" | "name"> & Partial<Objective>): Objective {
  return { log: null, lagSeconds: null, silentSeconds: null, contact: null, ...stated };
}

/** A process that looks at the objectives of a store whenever the test wants it. */
export function watcher(
  {
    database,
    writer,
    stated,
    nowMs,
  }: Pick<StoreObjectivesDeps, "database" | "writer" | "stated"> & {
    readonly nowMs: () => number | Promise<number>;
  },
  registered: readonly RegisteredFeed[] = [],
): () => Promise<void> {
  const now = () => Promise.resolve(nowMs());
  const job = storeObjectivesJob({ database, writer, clock: systemClock, stated, nowMs: now }, registered);
  return async () => {
    await job.run({ deadline: 0, signal: new AbortController().signal });
  };
}

/** An entry as `[subject, type without its prefix, data]`. The data must be as the catalog describes it. */
export function alarmOf({ subject, type, data }: WireEvent): readonly [string, string, unknown] {
  expect(type in ENTRY_TYPES).toBe(true);
  expect(ENTRY_TYPES[type as EntryType].data.parse(data)).toEqual(data as never);
  return [subject, type.replace("kilde.", ""), data];
}

/** Counts the reads and writes of a database. */
export function countingCalls(database: Database): {
  readonly database: Database;
  readonly calls: { reads: number; writes: number };
} {
  const calls = { reads: 0, writes: 0 };
  return {
    calls,
    database: {
      ...database,
      read(statement) {
        calls.reads += 1;
        return database.read(statement);
      },
      write(statements) {
        calls.writes += 1;
        return database.write(statements);
      },
    },
  };
}

export const ALARMS_QUERY = `${OPERATIONS_PATH}?limit=10000`;
