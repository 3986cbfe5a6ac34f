import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import Connection from "libsql";

import { openDatabase } from "../../src/log/open.ts";
import { writeFromThread } from "../../src/server/database.ts";
import { jsonPost, openApp } from "../support/app.ts";

/** More than it takes for a client to be taken for the only one. */
const ENOUGH = 30;

test("an append that comes alone does not hold up the rest while another process writes the file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  const path = join(folder, "kilde.db");
  const url = `file:${path}`;
  const failures: Error[] = [];
  const storage = writeFromThread(
    openDatabase({ url }),
    { url },
    { onFailure: (error) => failures.push(error) },
  );
  const app = await openApp({ database: { ...storage.database, close: () => {} } });
  for (let n = 0; n < ENOUGH; n += 1) {
    await app.append("a", { type: "Counted" });
    await Bun.sleep(1);
  }

  const other = new Connection(path);
  other.exec("begin immediate");
  const append = app.fetch("/streams/a", jsonPost({ events: [{ type: "Counted" }] }));
  await Bun.sleep(20);
  expect(await app.get("/events?limit=1000")).toHaveLength(ENOUGH);
  other.exec("rollback");
  other.close();
  expect((await append).status).toBe(201);
  expect(await app.get("/events?limit=1000")).toHaveLength(ENOUGH + 1);
  expect(failures).toEqual([]);

  await app.close();
  await storage.close();
  rmSync(folder, { recursive: true, force: true });
});
