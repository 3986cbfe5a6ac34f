import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { migrate } from "../../src/log/migrate.ts";
import { openDatabase } from "../../src/log/open.ts";
import { writeFromThread } from "../../src/server/database.ts";
import { jsonPost, openApp } from "../support/app.ts";

test("when the thread that writes has failed, appends are refused at once, and reads go on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  const url = `file:${join(folder, "kilde.db")}`;
  const local = openDatabase({ url });
  await migrate(local);
  const failures: string[] = [];
  const storage = writeFromThread(
    local,
    { url },
    {
      program: new URL("../support/failing-thread.ts", import.meta.url),
      onFailure: ({ message }) => failures.push(message),
    },
  );
  await storage.opened;
  const app = await openApp({ database: { ...storage.database, close: () => {} } });
  const append = (stream: string) =>
    app.fetch(`/streams/${stream}`, jsonPost({ events: [{ type: "Counted" }] }));

  // One is under way, the other brings the thread down.
  const under = append("a");
  await Bun.sleep(50);
  const answers = await Promise.all([under, append("b"), append("c")]);
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
  expect(failures).toHaveLength(1);
  expect(failures[0]).toContain("out of memory");

  const later = await append("d");
  expect(later.status).toBe(503);
  expect(await later.json()).toMatchObject({ type: expect.stringContaining("storage-unavailable") });
  expect((await app.fetch("/ready")).status).toBe(503);
  expect(await app.get("/events")).toEqual([]);

  await app.close();
  await storage.close();
  rmSync(folder, { recursive: true, force: true });
});
