import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { continueHistory } from "../../src/cli/replaced-history.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import type { Database } from "../../src/storage/database.ts";
import { renewIdentities } from "../../src/backup/renew-identities.ts";
import { readIdentities } from "../../src/log/identity.ts";
import { migrate } from "../../src/log/migrate.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { systemClock } from "../../src/core/system-clock.ts";

/** A database that is restored beneath those who have it open, as one on a libSQL server may be. */
export interface Restorable {
  /** The database that servers open. It outlives restores. */
  readonly database: Database;
  /** Copies the present state, and gives the copy's number. */
  backUp(): Promise<number>;
  /** Replaces the database by a copy, with `kilde restore`'s functions, or with `kilde identity renew`'s alone. */
  restore(backup: number, by: "restore" | "renewal"): Promise<void>;
  /** Gives all logs new identities. */
  renew(): Promise<void>;
  dispose(): void;
}

const SHARED_MEMORY = "/dev/shm";

export async function openRestorable(): Promise<Restorable> {
  // In memory where that is possible: nothing is pulled out from under these files.
  const folder = mkdtempSync(join(existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), "kilde-restorable-"));
  const open = (name: string) => openDatabase({ url: `file:${join(folder, name)}` });
  let current = open("store-0.db");
  await migrate(current);
  let stores = 1;
  let backups = 0;
  const closed: Database[] = [];
  return {
    database: {
      ...current,
      read: (statement) => current.read(statement),
      write: (statements) => current.write(statements),
      close() {},
    },
    async backUp() {
      await current.read({ sql: "vacuum into ?", args: [join(folder, `backup-${backups}.db`)] });
      return backups++;
    },
    async restore(backup, by) {
      const name = `store-${stores++}.db`;
      copyFileSync(join(folder, `backup-${backup}.db`), join(folder, name));
      const restored = open(name);
      if (by === "renewal") {
        await renewIdentities(restored, systemClock);
      } else {
        const histories = await readIdentities(current);
        const deps = { clock: systemClock, limits: DEFAULT_LIMITS };
        await continueHistory(restored, { histories, erasures: [], keys: null, keepsKeys: true }, deps);
      }
      closed.push(current);
      current = restored;
    },
    async renew() {
      await renewIdentities(current, systemClock);
    },
    dispose() {
      for (const one of [...closed, current]) one.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
