import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import Connection from "libsql";

import type { Database, Row, Statement } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { SELECT_HEADS } from "../../src/log/read/select-heads.ts";
import { replicaDatabase } from "../../src/storage/replica.ts";
import { systemClock } from "../../src/core/system-clock.ts";

/** A database file, and a replica of it that has what the file had when it last caught up. */
export interface Lagging {
  readonly primary: Database;
  readonly replica: Database;
  /** Gives the replica what the primary has now. */
  catchUp(): void;
  /** Gives it an earlier state: the first is 0. */
  show(state: number): void;
  /** From now on two replicas share the address, of which one is a state behind the other: they are read in turn. */
  share(): void;
  /** How many reads went to the replica, and to the primary. */
  readonly reads: { replica: number; primary: number };
  dispose(): void;
}

/** The replica begins without a schema; `waitMs` is how long its reads may wait. */
export function openLagging(waitMs: number): Lagging {
  const folder = mkdtempSync(join(tmpdir(), "kilde-lagging-"));
  const file = join(folder, "kilde.db");
  const primary = openDatabase({ url: `file:${file}` });
  const states: Database[] = [openDatabase({ url: ":memory:" })];
  const reads = { replica: 0, primary: 0 };
  let shown = 0;
  let shared = false;

  const readTogether = async (statements: readonly Statement[]) => {
    reads.replica += 1;
    const rows: (readonly Row[])[] = [];
    const state = states[Math.max(0, shared ? shown - (reads.replica % 2) : shown)];
    for (const statement of statements) rows.push((await state?.read(statement)) ?? []);
    return rows;
  };
  return {
    primary: {
      ...primary,
      read(statement) {
        reads.primary += 1;
        return primary.read(statement);
      },
    },
    replica: replicaDatabase({
      readTogether,
      close: () => {},
      clock: systemClock,
      waitMs,
      selectHeads: SELECT_HEADS,
    }),
    reads,
    catchUp() {
      const copy = join(folder, `state-${states.length}.db`);
      // By the same library: two of them in one process would take each other's locks away.
      const source = new Connection(file);
      source.exec(`vacuum into '${copy}'`);
      source.close();
      shown = states.push(openDatabase({ url: `file:${copy}` })) - 1;
    },
    show(state) {
      shown = state;
    },
    share() {
      shared = true;
    },
    dispose() {
      for (const state of states) state.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
