import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { copyWithJournal } from "../../src/cli/backup-copy.ts";
import { CliError } from "../../src/cli/exit.ts";
import { withFolderBeside } from "../../src/cli/put-in-place.ts";
import { replaceStore } from "../../src/cli/replaced-store.ts";
import { migrateTo } from "../../src/log/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { cleanUp, emptyFolder, jsonLines, run, type Served, serve } from "./support.ts";

cleanUp();

// Each runs several processes, which are slow to start on a busy machine.
setDefaultTimeout(60_000);

async function appendNumbers(server: Served, from: number, to: number): Promise<void> {
  const lines = Array.from(
    { length: to - from },
    (_, n) => `{"stream":"s-${n % 3}","type":"N","data":${from + n}}\n`,
  );
  const { exitCode } = await server.kilde(["import", "-"], { stdin: lines.join("") });
  expect(exitCode).toBe(0);
}

/** A stopped store of the numbers from one up to another. */
async function storeOf(from: number, to: number, signal?: NodeJS.Signals): Promise<string> {
  const server = await serve(emptyFolder());
  await appendNumbers(server, from, to);
  await server.stop(signal);
  return server.cwd;
}

/** The events of a server on this folder. */
async function numbersIn(cwd: string): Promise<unknown[]> {
  const server = await serve(cwd);
  const { stdout } = await server.kilde(["read"]);
  await server.stop();
  return jsonLines(stdout).map((event) => event["data"]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n);
}

describe("restore", () => {
  test("refuses an empty file, a text and another program's database, and the store stays as it was", async () => {
    const cwd = await storeOf(0, 5);
    writeFileSync(join(cwd, "empty.db"), "");
    writeFileSync(join(cwd, "short.db"), "SQLite format 3\0");
    writeFileSync(join(cwd, "text.db"), "no database at all");
    for (const [name, sql] of [
      ["foreign.db", "create table t (x)"],
      ["bare.db", "pragma user_version = 3"],
    ] as const) {
      const database = new Database(join(cwd, name));
      database.run(sql);
      database.close();
    }
    mkdirSync(join(cwd, "folder.db"));
    const refusals: readonly (readonly [name: string, exitCode: number, message: string])[] = [
      ["empty.db", 5, "empty.db is empty\n  Restore another backup."],
      ["short.db", 5, "short.db is not a database"],
      ["text.db", 5, "text.db is not a database"],
      ["foreign.db", 1, "not one of Kilde's"],
      ["bare.db", 5, "bare.db holds no store"],
      ["folder.db", 2, "folder.db is not a file"],
      ["data/kilde.db", 2, "is the database that is to be replaced"],
    ];
    for (const [name, code, message] of refusals) {
      const { exitCode, stderr } = await run(["restore", name, "--force"], { cwd });
      expect(stderr).toContain(message);
      expect(exitCode).toBe(code);
    }
    expect(readdirSync(join(cwd, "data")).toSorted()).not.toContain("kilde.db.before-restore");
    expect(await numbersIn(cwd)).toEqual(range(0, 5));
  });

  test("takes the events in a -wal beside the file", async () => {
    const killed = await storeOf(10, 17, "SIGKILL");
    expect(statSync(join(killed, "data/kilde.db-wal")).size).toBeGreaterThan(0);
    const cwd = await storeOf(0, 5);
    const { exitCode, stdout } = await run(["restore", join(killed, "data/kilde.db"), "--force"], { cwd });
    expect(stdout).toEndWith(": 7 events, head 7; it replaced 5 events, head 5\n");
    expect(exitCode).toBe(0);
    expect(await numbersIn(cwd)).toEqual(range(10, 17));
    expect(await numbersIn(killed)).toEqual(range(10, 17));
  });

  test("takes the file of a server that stopped in order, without anything beside it", async () => {
    const stopped = await storeOf(0, 50);
    const cwd = emptyFolder();
    copyFileSync(join(stopped, "data/kilde.db"), join(cwd, "alone.db"));
    expect((await run(["restore", "alone.db", "--force"], { cwd })).exitCode).toBe(0);
    expect(await numbersIn(cwd)).toEqual(range(0, 50));
  });

  test("refuses a file that is written while it is copied", () => {
    const folder = emptyFolder();
    const [source, copy] = [join(folder, "kilde.db"), join(folder, "copy.db")];
    writeFileSync(source, "main");
    for (const written of ["", "-wal"]) {
      const copyWhileWritten = (from: string, to: string) => {
        copyFileSync(from, to);
        appendFileSync(source + written, "more");
      };
      expect(() => copyWithJournal(source, copy, copyWhileWritten)).toThrow(
        "was written while it was copied",
      );
    }
    copyWithJournal(source, copy);
    expect(readFileSync(`${copy}-wal`, "utf8")).toBe(readFileSync(`${source}-wal`, "utf8"));
  });

  test("leaves a symbolic link one, and replaces the file that it names", async () => {
    const cwd = await storeOf(0, 5);
    expect((await run(["backup", "b.db"], { cwd })).exitCode).toBe(0);
    mkdirSync(join(cwd, "disk"));
    renameSync(join(cwd, "data/kilde.db"), join(cwd, "disk/real.db"));
    symlinkSync("../disk/real.db", join(cwd, "data/kilde.db"));
    expect((await run(["restore", "b.db", "--force"], { cwd })).exitCode).toBe(0);
    expect(lstatSync(join(cwd, "data/kilde.db")).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(cwd, "disk"))).toContain("real.db");
    expect(await numbersIn(cwd)).toEqual(range(0, 5));
  });

  test("replaces one of two links that name each other", async () => {
    const cwd = await storeOf(0, 5);
    symlinkSync("b.db", join(cwd, "a.db"));
    symlinkSync("a.db", join(cwd, "b.db"));
    const { exitCode } = await run(["restore", "data/kilde.db", "--database-url", "file:a.db", "--force"], {
      cwd,
    });
    expect(exitCode).toBe(0);
    expect(await run(["doctor", "a.db"], { cwd })).toMatchObject({ exitCode: 0 });
  });

  test("includes the write-ahead log of a backup that a symbolic link names", async () => {
    const killed = await storeOf(0, 20, "SIGKILL");
    const cwd = emptyFolder();
    symlinkSync(join(killed, "data/kilde.db"), join(cwd, "link.db"));
    expect((await run(["restore", "link.db", "--force"], { cwd })).exitCode).toBe(0);
    expect(await numbersIn(cwd)).toEqual(range(0, 20));
  });

  test("begins again after an interrupted restore only where nothing was replaced yet", async () => {
    const cwd = await storeOf(0, 5);
    expect((await run(["backup", "b.db"], { cwd })).exitCode).toBe(0);
    const [file, kept] = [join(cwd, "data/kilde.db"), join(cwd, "data/kilde.db.before-restore")];
    linkSync(file, kept);
    expect((await run(["restore", "b.db", "--force"], { cwd })).exitCode).toBe(0);
    expect(readdirSync(join(cwd, "data"))).not.toContain("kilde.db.before-restore");

    cpSync(file, kept);
    const { exitCode, stderr } = await run(["restore", "b.db", "--force"], { cwd });
    expect(stderr).toContain("A restore was interrupted: ");
    expect(exitCode).toBe(1);
    expect(await numbersIn(cwd)).toEqual(range(0, 5));
  });
});

describe("replacing a store", () => {
  test.each([
    ["ENOSPC", /The disk of .*kilde\.db is full/],
    ["EROFS", /The folder of .*kilde\.db cannot be written/],
  ])("names the cause of %s and what to do about it", async (code, message) => {
    const folder = emptyFolder();
    const failing = withFolderBeside(
      { onStopSignal() {}, exit: (status) => process.exit(status) },
      join(folder, "kilde.db"),
      "restoring",
      () => Promise.reject(Object.assign(new Error(`${code}: copyfile`), { code })),
    );
    const error = await failing.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ message: expect.stringMatching(message), remedy: expect.any(String) });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("puts the replaced file and its journal back if the new one is not approved", async () => {
    const folder = emptyFolder();
    const [file, copy] = [join(folder, "kilde.db"), join(folder, "copy.db")];
    writeFileSync(file, "old");
    writeFileSync(`${file}-wal`, "old log");
    writeFileSync(copy, "new");
    const refuse = async () => {
      expect(readFileSync(file, "utf8")).toBe("new");
      expect(readFileSync(`${file}.before-restore`, "utf8")).toBe("old");
      expect(readdirSync(folder)).not.toContain("kilde.db-wal");
      throw new Error("not as it should be");
    };
    // oxlint-disable-next-line await-thenable
    await expect(replaceStore(file, copy, refuse)).rejects.toThrow("not as it should be");
    expect(readdirSync(folder).toSorted()).toEqual(["kilde.db", "kilde.db-wal"]);
    expect(readFileSync(file, "utf8")).toBe("old");
    expect(readFileSync(`${file}-wal`, "utf8")).toBe("old log");
  });
});

describe("a store of an older version", () => {
  for (let migrations = 1; migrations < MIGRATIONS.length; migrations += 1) {
    test(`is examined, backed up and restored with ${migrations} of ${MIGRATIONS.length} migrations`, async () => {
      const cwd = emptyFolder();
      const file = join(cwd, "old.db");
      const store = openDatabase({ url: `file:${file}` });
      await migrateTo(store, migrations);
      await store.write(
        [
          "insert into logs (id, name, head, recorded) values (0, '/events', 2, '2026-01-31T12:00:00.000Z')",
          "insert into subjects (id, log, name) values (1, 0, 's')",
          `insert into events (key, subject, version, type, recorded, data)
            select value, 1, value, 'T', '2026-01-31T12:00:00.000Z', value from json_each('[1,2]')`,
        ].map((sql) => ({ sql, args: [] })),
      );
      store.close();
      const doctor = await run(["doctor", "old.db"], { cwd });
      expect(doctor).toMatchObject({ exitCode: 0, stderr: "" });
      expect(doctor.stdout).toEndWith("file:old.db is sound\n");
      expect(await run(["backup", "b.db", "--database-url", "file:old.db"], { cwd })).toMatchObject({
        exitCode: 0,
        stderr: "",
      });
      const { exitCode, stdout } = await run(["restore", "b.db", "--force"], { cwd });
      expect(stdout).toContain("2 events, head 2");
      expect(exitCode).toBe(0);
      expect(await numbersIn(cwd)).toEqual([1, 2]);
    });
  }
});

describe("a restore of a backup from before an erasure", () => {
  const SECRET = "ada@example.com";

  /**
   * A folder with a backup, `old.db`, that holds data which the store has erased since; the store continues with
   * another event.
   */
  const erasedSince = async () => {
    const server = await serve(emptyFolder());
    await server.kilde(["append", "user-1", "Registered", `{"email":"${SECRET}"}`]);
    await server.kilde(["append", "user-2", "Registered", "{}"]);
    expect((await server.kilde(["backup", "old.db"])).exitCode).toBe(0);
    expect((await server.kilde(["erase", "user-1", "--reason", "asked"])).exitCode).toBe(0);
    await server.kilde(["append", "user-2", "Moved", "{}"]);
    expect((await server.kilde(["backup", "new.db"])).exitCode).toBe(0);
    await server.stop();
    return { cwd: server.cwd };
  };
  const holdsSecret = async (cwd: string) =>
    (
      await Bun.file(join(cwd, "data/kilde.db"))
        .bytes()
        .then((bytes) => Buffer.from(bytes))
    ).includes(SECRET);
  const typesIn = async (cwd: string) => {
    const server = await serve(cwd);
    const { stdout } = await server.kilde(["read"]);
    await server.stop();
    return jsonLines(stdout).map(({ type, subject, reason }) => [subject, type, reason]);
  };
  const RESTORED = [
    ["user-2", "Registered", undefined],
    ["user-1", "kilde.erased", "asked"],
  ];

  test("erases again what the replaced store had erased, down to the bytes", async () => {
    const { cwd } = await erasedSince();
    const { exitCode, stdout } = await run(["restore", "old.db", "--force"], { cwd });
    expect(stdout).toContain("streams erased since the backup, and erased again: 1");
    expect(exitCode).toBe(0);
    expect(await holdsSecret(cwd)).toBe(false);
    expect(await typesIn(cwd)).toEqual(RESTORED);
    expect(await run(["doctor"], { cwd })).toMatchObject({ exitCode: 0 });
  });

  test("takes the erasures from a file where the store is lost", async () => {
    const { cwd } = await erasedSince();
    const elsewhere = emptyFolder();
    copyFileSync(join(cwd, "old.db"), join(elsewhere, "old.db"));
    const erasures = join(cwd, "new.db.erasures.ndjson");
    expect(jsonLines(await Bun.file(erasures).text())).toEqual([
      { stream: "user-1", version: 2, position: 3, recorded: expect.any(String), reason: "asked" },
    ]);
    const { exitCode } = await run(["restore", "old.db", "--erasures", erasures], { cwd: elsewhere });
    expect(exitCode).toBe(0);
    expect(await holdsSecret(elsewhere)).toBe(false);
    expect(await typesIn(elsewhere)).toEqual(RESTORED);

    writeFileSync(join(elsewhere, "wrong.ndjson"), '{"stream":"user-1"}\n');
    const wrong = await run(["restore", "old.db", "--force", "--erasures", "wrong.ndjson"], {
      cwd: elsewhere,
    });
    expect(wrong.stderr).toContain("wrong.ndjson, line 1: not an erasure");
    expect(wrong.exitCode).toBe(1);
    expect(await typesIn(elsewhere)).toEqual(RESTORED);
  });

  test("names the risk when later erasures are unknown, and continues only if it is accepted", async () => {
    const { cwd } = await erasedSince();
    const elsewhere = emptyFolder();
    copyFileSync(join(cwd, "old.db"), join(elsewhere, "old.db"));
    const refused = await run(["restore", "old.db"], { cwd: elsewhere });
    expect(refused.stderr).toContain("Erasures since this backup are unknown");
    expect(refused.exitCode).toBe(1);
    expect(readdirSync(elsewhere)).toEqual(["old.db"]);
    const forced = await run(["restore", "old.db", "--force"], { cwd: elsewhere });
    expect(forced.stderr).toContain("Erasures since this backup are unknown");
    expect(forced.exitCode).toBe(0);
    expect(await holdsSecret(elsewhere)).toBe(true);
  });

  test("gives the log another identity, with the lineage of the store that it replaces", async () => {
    const { cwd } = await erasedSince();
    const identities = () => {
      const database = new Database(join(cwd, "data/kilde.db"), { readonly: true });
      const logs = database.query("select identity from logs where id = 0").values();
      const lineage = database
        .query("select identity, parted from log_lineage where log = 0 order by rowid")
        .values();
      database.close();
      return { identity: String(logs[0]?.[0]), lineage };
    };
    const first = identities();
    expect((await run(["restore", "old.db", "--force"], { cwd })).exitCode).toBe(0);
    const second = identities();
    expect(second.identity).toMatch(/^[0-9a-f]{16}$/);
    expect(second.identity).not.toBe(first.identity);
    // The erasure that was repeated is an event of the new history.
    expect(second.lineage).toEqual([[first.identity, 2]]);
    expect((await run(["restore", "old.db", "--force"], { cwd })).exitCode).toBe(0);
    const third = identities();
    expect(third.lineage).toEqual(
      expect.arrayContaining([
        [first.identity, 2],
        [second.identity, 2],
      ]),
    );
  });
});

describe("backup", () => {
  test("succeeds for one of several to one target at once, and its file is whole", async () => {
    const cwd = await storeOf(0, 3_000);
    const results = await Promise.all([1, 2, 3].map(() => run(["backup", "b.db"], { cwd })));
    const codes = results.map(({ exitCode }) => exitCode).toSorted((a, b) => a - b);
    expect(codes).toEqual([0, 1, 1]);
    expect(results.find(({ exitCode }) => exitCode === 1)?.stderr).toContain("b.db exists already");
    expect(await run(["doctor", "b.db"], { cwd })).toMatchObject({ exitCode: 0 });
    expect(readdirSync(cwd).toSorted()).toEqual(["b.db", "b.db.erasures.ndjson", "data"]);
  });
});

test("a server that stops in order leaves the whole store in its file", async () => {
  const cwd = await storeOf(0, 100);
  const wal = join(cwd, "data/kilde.db-wal");
  expect(readdirSync(join(cwd, "data")).includes("kilde.db-wal") ? statSync(wal).size : 0).toBe(0);
});
