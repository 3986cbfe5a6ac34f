import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openDatabase } from "../../../src/storage/open.ts";
import { writeFromThread } from "../../../src/storage/writer/threaded-database.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp } from "../../support/app.ts";

test("the writer thread checkpoints long before the write-ahead log is full", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  const file = join(folder, "kilde.db");
  const url = `file:${file}`;
  const fail = (error: unknown) => {
    throw error;
  };
  const threaded = writeFromThread(openDatabase({ url }), { url }, { onFailure: fail, onTrouble: fail });
  const app = await openApp({ database: { ...threaded.database, close: () => {} } });
  const events = Array.from({ length: 10 }, () => ({ type: "T", data: "x".repeat(50_000) }));
  for (let appends = 0; appends < 4; appends += 1) await app.append("s", ...events);

  // The log of 2 MB is far from the 40 MB at which a commit copies it.
  await eventually(() => statSync(file).size > 1_000_000);

  for (let appends = 0; appends < 4; appends += 1) await app.append("s", ...events);
  expect(await app.get("/streams/s?limit=100")).toHaveLength(80);
  await app.close();
  await threaded.close();
  rmSync(folder, { recursive: true });
});
