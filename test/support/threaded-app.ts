import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { migrate } from "../../src/log/migrate.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { type ServerDatabase, writeFromThread } from "../../src/storage/writer/threaded-database.ts";
import type { WriterTrouble } from "../../src/storage/writer/writer-trouble.ts";
import { openApp, type TestApp } from "./app.ts";

export interface ThreadedApp {
  readonly app: TestApp;
  /** The database's file. */
  readonly path: string;
  readonly storage: ServerDatabase;
  /** Begins the thread that writes; the real one has begun. */
  begin(): Promise<void>;
  /** The error that ended the writer thread. */
  readonly failures: readonly Error[];
  /** Failures in the thread that refused no write. */
  readonly troubles: readonly WriterTrouble[];
  /** How often it was started again. */
  restarts(): number;
}

/** Uses an app on a new file that a thread writes, and closes it. `program`: of that thread. Default: the real one. */
export async function withThreadedApp(
  use: (threaded: ThreadedApp) => Promise<void>,
  program?: URL,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  const path = join(folder, "kilde.db");
  const url = `file:${path}`;
  const local = openDatabase({ url });
  await migrate(local);
  const failures: Error[] = [];
  const troubles: WriterTrouble[] = [];
  let restarts = 0;
  const storage = writeFromThread(
    local,
    { url },
    {
      program,
      onFailure: (error) => failures.push(error as Error),
      onRestart: () => (restarts += 1),
      onTrouble: (trouble) => troubles.push(trouble),
    },
  );
  try {
    if (program === undefined) await storage.open();
    const app = await openApp({ database: { ...storage.database, close: () => {} } });
    const begin = () => storage.open();
    await use({ app, path, storage, begin, failures, troubles, restarts: () => restarts });
    await app.close();
  } finally {
    await storage.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
