import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cleanUp, emptyFolder, FROM_SOURCE, run } from "../../cli/support.ts";

cleanUp();

const HERE = import.meta.dir;
const UNITS = readdirSync(HERE).filter((name) => /\.(service|timer)$/.test(name));

test.skipIf(Bun.which("systemd-analyze") === null)("systemd takes the units", async () => {
  const folder = emptyFolder();
  for (const name of UNITS) {
    const text = readFileSync(join(HERE, name), "utf8");
    // The programs are not installed here.
    writeFileSync(
      join(folder, name),
      text.replaceAll(/^ExecStart=\/usr\/local\/bin\/\w+/gm, "ExecStart=/bin/true"),
    );
  }
  const verify = ["systemd-analyze", "verify", ...UNITS.map((name) => join(folder, name))];
  const { exitCode, stderr } = await run([], { cwd: folder, program: verify });
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
});

test("the backup's script proves each copy, and keeps the newest", async () => {
  const cwd = emptyFolder();
  const backups = join(cwd, "backups");
  mkdirSync(backups);
  // By its name, as where it is installed.
  const kilde = `#!/bin/sh\nexec ${FROM_SOURCE.join(" ")} "$@"\n`;
  writeFileSync(join(cwd, "kilde"), kilde, { mode: 0o755 });
  const environment = { PATH: `${cwd}:${process.env["PATH"]}` };
  const backup = (keep: number) =>
    run([], {
      cwd,
      environment,
      program: ["sh", join(HERE, "backup.sh"), backups, String(keep)],
    });

  await run(["migrate"], { cwd });
  for (const day of ["01", "02", "03"]) writeFileSync(join(backups, `kilde-2026-01-${day}T000000Z.db`), "");
  const first = await backup(3);
  expect([first.stderr, first.exitCode]).toEqual(["", 0]);
  expect(first.stdout).toMatch(/kilde-.*\.db holds [\d,]+ bytes/);
  const kept = readdirSync(backups).toSorted();
  expect(kept.slice(0, 2)).toEqual(["kilde-2026-01-02T000000Z.db", "kilde-2026-01-03T000000Z.db"]);
  // With the erasures beside the newest.
  expect(kept).toHaveLength(4);

  // Nothing is deleted for a backup that failed. The write-ahead log is copied too: it alone may hold all of the database.
  for (const suffix of ["-wal", "-shm"]) rmSync(join(cwd, `data/kilde.db${suffix}`), { force: true });
  writeFileSync(join(cwd, "data/kilde.db"), "no database");
  expect((await backup(1)).exitCode).not.toBe(0);
  expect(readdirSync(backups).toSorted()).toEqual(kept);
});
