import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { newestBackupMs } from "../../../src/runtime/server/newest-backup.ts";
import { cleanUp, emptyFolder, serve } from "../../cli/support.ts";

cleanUp();

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

test("the newest backup is the database that was finished last, whatever else the folder has", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-backups-"));
  folders.push(folder);
  expect(await newestBackupMs(folder)).toBeNull();
  const times = { "b.db": 2_000, "a.db": 3_000, "a.db.erasures.ndjson": 4_000, unfinished: 5_000 };
  for (const [name, seconds] of Object.entries(times)) {
    writeFileSync(join(folder, name), "");
    utimesSync(join(folder, name), seconds, seconds);
  }
  expect(await newestBackupMs(folder)).toBe(3_000_000);
});

test("a folder that is not there, or not named, has no newest backup", async () => {
  expect(await newestBackupMs(join(tmpdir(), "kilde-no-backups-here"))).toBeNull();
  expect(await newestBackupMs(null)).toBeNull();
});

test("a server whose folder of backups is empty or absent reports the time 0, so that the alert fires", async () => {
  const server = await serve(emptyFolder(), ["--backup-folder", "backups-that-nobody-made"]);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/^kilde_backup_timestamp_seconds 0$/m);
});
