import { Database } from "bun:sqlite";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { systemClock } from "../../src/core/system-clock.ts";
import { renewIdentities } from "../../src/backup/renew-identities.ts";
import { readIdentities } from "../../src/log/identity.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { openApp, type TestApp, type TestAppOptions } from "./app.ts";

/** An app on a file that can be put back to an earlier state, as `kilde restore` does it. */
export interface RestorableApp {
  /** The app as it is now; another one after each restore. */
  readonly app: TestApp;
  /** Calls the app as it is now. While it is being restored, no server listens. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Keeps the present state under a name. */
  backup(name: string): Promise<void>;
  /** Puts a state back. `renewed: false` does it as `cp` does, without new identities. */
  restore(name: string, options?: { readonly renewed: boolean }): Promise<void>;
  close(): Promise<void>;
}

export async function openRestorableApp(
  options: Omit<TestAppOptions, "database" | "closing"> = {},
): Promise<RestorableApp> {
  const folder = mkdtempSync(join(tmpdir(), "kilde-restorable-"));
  let restores = 0;
  let file = join(folder, "kilde.db");
  let closing = new AbortController();
  let isDown = false;
  const open = () => {
    closing = new AbortController();
    const database = openDatabase({ url: `file:${file}` });
    return openApp({ ...options, closing: closing.signal, database });
  };
  let app = await open();
  const stop = async () => {
    isDown = true;
    closing.abort();
    await app.close();
  };
  return {
    get app() {
      return app;
    },
    async fetch(path, init) {
      if (isDown) throw new TypeError("connection refused");
      return app.fetch(path, init);
    },
    async backup(name) {
      const database = new Database(file);
      database.run("vacuum into ?", [join(folder, name)]);
      database.close();
    },
    async restore(name, { renewed } = { renewed: true }) {
      await stop();
      const replaced = openDatabase({ url: `file:${file}` });
      const histories = await readIdentities(replaced);
      replaced.close();
      // A file of its own: the driver lets go of the former one when it is collected, and not before.
      restores += 1;
      file = join(folder, `restored-${restores}.db`);
      copyFileSync(join(folder, name), file);
      if (renewed) {
        const restored = openDatabase({ url: `file:${file}` });
        await renewIdentities(restored, systemClock, histories);
        restored.close();
      }
      app = await open();
      isDown = false;
    },
    async close() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
