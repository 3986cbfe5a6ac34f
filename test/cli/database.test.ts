import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { MIGRATIONS } from "../../src/storage/migrations.ts";
import { cleanUp, emptyFolder, jsonLines, launch, run, type Served, serve } from "./support.ts";

cleanUp();

// Each runs several processes, which are slow to start on a busy machine.
setDefaultTimeout(60_000);

/** A folder with a database of some events, that nobody has open. */
async function folderWithEvents(count = 100): Promise<string> {
  const server = await serve(emptyFolder());
  await importNumbers(server, count);
  await server.stop();
  return server.cwd;
}

async function importNumbers(server: Served, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, n) => `{"stream":"s-${n % 7}","type":"N","data":${n}}\n`);
  const { exitCode } = await server.kilde(["import", "-"], { stdin: lines.join("") });
  expect(exitCode).toBe(0);
}

/** Changes a database behind Kilde's back. */
function tamper(file: string, sql: string): void {
  const database = new Database(file);
  database.run("pragma foreign_keys = off");
  database.run(sql);
  database.close();
}

test("migrate makes a database, and then has nothing to do", async () => {
  const cwd = emptyFolder();
  const first = await run(["migrate", "--database-url", "file:new/folder/k.db"], { cwd });
  expect(first).toEqual({
    exitCode: 0,
    stdout: `created a new database at ${join(cwd, "new/folder/k.db")}\n${MIGRATIONS.map(({ tag }) => `applied ${tag}\n`).join("")}`,
    stderr: "",
  });
  const again = await run(["migrate", "--database-url", "file:new/folder/k.db", "--json"], { cwd });
  expect(again.stdout).toBe('{"applied":[]}\n');
});

describe("backup", () => {
  test("copies one moment, while events are appended", async () => {
    const server = await serve(emptyFolder());
    await importNumbers(server, 5_000);
    const lines = Array.from(
      { length: 200_000 },
      (_, n) => `{"stream":"t-${n % 7}","type":"M","data":${n}}\n`,
    );
    const writing = launch(["import", "-", "--url", server.url], { cwd: server.cwd, stdin: lines.join("") });
    for (const name of ["one.db", "two.db", "three.db"]) {
      const backup = await server.kilde(["backup", name, "--json"]);
      expect(backup.exitCode).toBe(0);
      expect(JSON.parse(backup.stdout)).toMatchObject({ bytes: Bun.file(join(server.cwd, name)).size });
    }
    expect(writing.exitCode).toBeNull();
    writing.kill("SIGKILL");
    await writing.exited;
    for (const name of ["one.db", "two.db", "three.db"]) {
      expect(await server.kilde(["doctor", name])).toEqual({
        exitCode: 0,
        stdout: `file:${name} is sound\n`,
        stderr: "",
      });
    }
    // Nothing half-written is left behind.
    expect(readdirSync(server.cwd).filter((name) => name.includes("unfinished"))).toEqual([]);
  }, 60_000);

  test("includes the write-ahead log of a store that a symbolic link names", async () => {
    const cwd = emptyFolder();
    for (const name of ["disk", "data"]) mkdirSync(join(cwd, name));
    symlinkSync("../disk/real.db", join(cwd, "data/kilde.db"));
    const server = await serve(cwd);
    await importNumbers(server, 100);
    expect(await run(["doctor"], { cwd })).toMatchObject({ exitCode: 0 });
    expect(await run(["backup", "b.db"], { cwd })).toMatchObject({ exitCode: 0, stderr: "" });
    await server.stop();
    const copy = new Database(join(cwd, "b.db"), { readonly: true });
    expect(copy.query("select count(*) as events from events").get()).toEqual({ events: 100 });
    copy.close();
  });

  test("refuses what it cannot do", async () => {
    const cwd = await folderWithEvents(1);
    await Bun.write(join(cwd, "there.db"), "precious");
    const there = await run(["backup", "there.db"], { cwd });
    expect(there.exitCode).toBe(1);
    expect(there.stderr).toStartWith("kilde: there.db exists already\n");
    expect(await Bun.file(join(cwd, "there.db")).text()).toBe("precious");

    const server = await run(["backup", "b.db", "--database-url", "http://user:secret@db.example:8080"], {
      cwd,
    });
    expect(server.exitCode).toBe(2);
    expect(server.stderr).toStartWith("kilde: The database http://db.example:8080 is not a file\n");

    const none = await run(["backup", "b.db", "--database-url", "file:none.db"], { cwd });
    expect(none.stderr).toContain("There is no database at ");
    expect(existsSync(join(cwd, "none.db"))).toBe(false);

    await Bun.write(join(cwd, "file"), "");
    const folder = await run(["backup", "file/b.db"], { cwd });
    expect(folder.exitCode).toBe(1);
    expect(folder.stderr).toContain("cannot be made");
    expect((await run(["backup", "new/folder/b.db"], { cwd })).exitCode).toBe(0);
  });
});

describe("restore", () => {
  const events = async (cwd: string) => {
    const server = await serve(cwd);
    const { stdout } = await server.kilde(["read"]);
    await server.stop();
    return jsonLines(stdout).map((event) => event["data"]);
  };

  test("replaces a database that is damaged, lost or in use", async () => {
    const cwd = await folderWithEvents(50);
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    expect((await run(["backup", "b.db"], { cwd })).exitCode).toBe(0);
    const bytes = await Bun.file(join(cwd, "b.db")).bytes();

    const elsewhere = emptyFolder();
    copyFileSync(join(cwd, "b.db"), join(elsewhere, "b.db"));
    expect((await run(["restore", "b.db", "--force"], { cwd: elsewhere })).exitCode).toBe(0);
    expect(await events(elsewhere)).toEqual(numbers);

    const server = await serve(cwd);
    await server.kilde(["append", "s-1", "Later", '"later"']);
    // A killed server leaves a write-ahead log, which must not be taken for the restored database's.
    await server.stop("SIGKILL");
    const refused = await run(["restore", "b.db"], { cwd });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("state --force");
    expect((await run(["restore", "b.db", "--force"], { cwd })).exitCode).toBe(0);
    expect(await events(cwd)).toEqual(numbers);

    await Bun.write(join(cwd, "data/kilde.db"), "x".repeat(10_000));
    expect((await run(["restore", "b.db", "--force", "--json"], { cwd })).exitCode).toBe(0);
    expect(await events(cwd)).toEqual(numbers);
    // The backup is as it was.
    expect(await Bun.file(join(cwd, "b.db")).bytes()).toEqual(bytes);
    expect(readdirSync(cwd).toSorted()).toEqual(["b.db", "b.db.erasures.ndjson", "data"]);
  });

  test("replaces nothing while a server has the database open", async () => {
    const cwd = await folderWithEvents(10);
    expect((await run(["backup", "b.db"], { cwd })).exitCode).toBe(0);
    const server = await serve(cwd);
    const { exitCode, stderr } = await run(["restore", "b.db", "--force"], { cwd });
    expect(exitCode).toBe(4);
    expect(stderr).toContain("Another process has ");
    expect((await server.kilde(["append", "a", "StillThere"])).exitCode).toBe(0);
  });

  test("rejects a backup that is damaged or not a backup", async () => {
    const cwd = await folderWithEvents(20);
    expect((await run(["backup", "b.db"], { cwd })).exitCode).toBe(0);
    tamper(join(cwd, "b.db"), "delete from events where key = 10");
    await Bun.write(join(cwd, "text.db"), "x".repeat(10_000));
    tamper(join(cwd, "foreign.db"), "create table things (x)");
    const restore = async (name: string) => {
      const { exitCode, stderr } = await run(["restore", name, "--force"], { cwd });
      expect(stderr).not.toContain("    at ");
      return [exitCode, stderr] as const;
    };
    expect(await restore("b.db")).toEqual([
      5,
      expect.stringContaining("b.db is not sound:\n  versions are gapless:"),
    ]);
    expect(await restore("text.db")).toEqual([5, expect.stringContaining("text.db is not a database")]);
    expect(await restore("foreign.db")).toEqual([1, expect.stringContaining("not one of Kilde's")]);
    expect(await restore("none.db")).toEqual([2, expect.stringContaining("There is no file none.db")]);
    expect(await events(cwd)).toHaveLength(20);
    expect(readdirSync(join(cwd, "data")).filter((name) => name.includes("restoring"))).toEqual([]);
  });
});

describe("doctor", () => {
  test("finds a sound database sound, also while it is served", async () => {
    const server = await serve(emptyFolder());
    await importNumbers(server, 100);
    const { exitCode, stdout } = await server.kilde(["doctor", "--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      database: "file:data/kilde.db",
      healthy: true,
      findings: [],
      repaired: [],
      skipped: [],
      olderErasures: 0,
    });
  });

  const faults: readonly (readonly [sql: string, finding: string])[] = [
    ["delete from events where key = 50", "versions are gapless: s-0: has 14 events from version 1 to 15"],
    [
      "update logs set head = head + 1",
      "heads are the last positions: /events: the head is 101, but the last event is at 100",
    ],
    [
      "update events set data = '{' where key = 3",
      "data of events is JSON: key 3: its data is not JSON\n  Restore the last good backup",
    ],
    ["update events set subject = 99 where key = 5", "events have a subject: key 5"],
  ];
  for (const [sql, finding] of faults) {
    test(`reports: ${finding}`, async () => {
      const cwd = await folderWithEvents(100);
      tamper(join(cwd, "data/kilde.db"), sql);
      const { exitCode, stdout, stderr } = await run(["doctor"], { cwd });
      expect(stdout).toContain(finding);
      expect(stderr).toMatch(/^kilde: file:data\/kilde\.db has (a fault|\d+ faults)\n {2}Keep a copy/);
      expect(exitCode).toBe(5);
    });
  }

  test("rejects a file that is not a database of Kilde", async () => {
    const cwd = emptyFolder();
    await Bun.write(join(cwd, "text.db"), "x".repeat(10_000));
    tamper(join(cwd, "foreign.db"), "create table things (x)");
    mkdirSync(join(cwd, "folder.db"));
    const refused: readonly (readonly [string, string])[] = [
      ["foreign.db", "file:foreign.db: The database is not one of Kilde's"],
      ["folder.db", "The database file:folder.db cannot be used"],
      ["none.db", "There is no database at "],
    ];
    for (const [name, message] of refused) {
      const { exitCode, stdout, stderr } = await run(["doctor", name], { cwd });
      expect(stderr).toStartWith(`kilde: ${message}`);
      expect(stderr).not.toContain("    at ");
      expect([exitCode, stdout]).toEqual([1, ""]);
    }
    expect(existsSync(join(cwd, "none.db"))).toBe(false);
  });

  test("recommends a backup for a damaged file, and exits with 5", async () => {
    const cwd = await folderWithEvents(2_000);
    await Bun.write(join(cwd, "text.db"), "x".repeat(10_000));
    await Bun.write(join(cwd, "empty.db"), "");
    const bytes = await Bun.file(join(cwd, "data/kilde.db")).bytes();
    await Bun.write(join(cwd, "torn.db"), bytes.fill(0xff, 8_192, 65_536));
    for (const name of ["text.db", "empty.db", "torn.db"]) {
      const { exitCode, stdout, stderr } = await run(["doctor", name], { cwd });
      expect(stdout + stderr).toContain("backup with `kilde restore");
      expect(stderr).not.toContain("    at ");
      expect(exitCode).toBe(5);
    }
  });

  test("changes neither the file that it examines nor its neighbors", async () => {
    const cwd = await folderWithEvents(10);
    expect((await run(["backup", "good.db"], { cwd })).exitCode).toBe(0);
    tamper(join(cwd, "foreign.db"), "create table things (x)");
    await Bun.write(join(cwd, "torn.db"), (await Bun.file(join(cwd, "good.db")).bytes()).fill(0xff, 8_192));
    const names = readdirSync(cwd);
    for (const name of ["good.db", "foreign.db", "torn.db", "data/kilde.db"]) {
      const before = await Bun.file(join(cwd, name)).bytes();
      await run(["doctor", name], { cwd });
      expect(await Bun.file(join(cwd, name)).bytes()).toEqual(before);
    }
    expect(readdirSync(cwd)).toEqual(names);
  });

  test("does not read past an interrupted write, and names the command that rolls it back", async () => {
    const cwd = await folderWithEvents(10);
    const file = join(cwd, "data/kilde.db");
    // Killed in a transaction that has begun to change the file.
    const writer = Bun.spawn([
      process.execPath,
      "-e",
      `const { Database } = require("bun:sqlite");
      const database = new Database(${JSON.stringify(file)});
      database.run("pragma journal_mode = delete");
      database.run("pragma cache_size = 1");
      database.run("begin immediate");
      database.run("update events set data = hex(zeroblob(50000))");
      process.kill(process.pid, "SIGKILL");`,
    ]);
    await writer.exited;
    const { exitCode, stderr } = await run(["doctor"], { cwd });
    expect(stderr).toContain("was interrupted, and its journal has to be rolled back first");
    expect(exitCode).toBe(1);
    expect((await run(["migrate"], { cwd })).exitCode).toBe(0);
    expect(await run(["doctor"], { cwd })).toMatchObject({ exitCode: 0 });
  });

  test("repairs faults whose repair loses no data, and leaves the rest to a backup", async () => {
    const cwd = await folderWithEvents(100);
    const file = join(cwd, "data/kilde.db");
    tamper(file, "drop index events_subject_version");
    tamper(file, "update logs set name = '/other' where id = 0");
    expect(await run(["doctor"], { cwd })).toMatchObject({
      exitCode: 5,
      stdout: expect.stringContaining(
        "the schema: there is no index events_subject_version of events: unique, subject, version\n  Run `kilde doctor --repair`; ",
      ),
    });
    expect(await run(["doctor", "--repair"], { cwd })).toEqual({
      exitCode: 0,
      stdout: "repaired: the schema\nrepaired: logs have their names\nfile:data/kilde.db is sound\n",
      stderr: "",
    });
    tamper(file, "delete from events where key = 50");
    const lost = await run(["doctor", "--repair"], { cwd });
    expect([lost.exitCode, lost.stdout]).toEqual([5, expect.stringContaining("versions are gapless: s-0")]);
  });
});

describe("repair", () => {
  test("leaves an index alone whose table has rows twice, and exits with 5", async () => {
    const cwd = await folderWithEvents(100);
    const file = join(cwd, "data/kilde.db");
    // A flipped byte: the subject has a version twice, which its index does not.
    const database = new Database(file);
    database.run("pragma wal_checkpoint(truncate)");
    const [row] = database.query("select subject, version from events where key = 60").values();
    database.close();
    const [subject, version] = [Number(row?.[0]), Number(row?.[1])];
    const bytes = readFileSync(file);
    const at = bytes.indexOf(Buffer.from([subject, version, "N".charCodeAt(0)]));
    expect(at).toBeGreaterThan(0);
    bytes[at + 1] = version - 1;
    writeFileSync(file, bytes);
    const { exitCode, stdout, stderr } = await run(["doctor", "--repair"], { cwd });
    expect(stdout).toContain("missing from index events_subject_version");
    expect(stderr).toContain("Keep a copy of the file");
    expect(exitCode).toBe(5);
  });
});

describe("identity", () => {
  interface Shown {
    readonly log: string;
    readonly identity: string;
    readonly head: number;
    readonly former: readonly { readonly identity: string; readonly parted: number }[];
  }

  test("is shown, renewed beside a running server, and then rejects appends that were decided before", async () => {
    const server = await serve(emptyFolder());
    await importNumbers(server, 10);
    const shown = async (...args: string[]) =>
      JSON.parse((await server.kilde(["identity", ...args, "--json"])).stdout.split("\n")[0] ?? "") as Shown;
    const before = await shown();
    expect(before).toMatchObject({ log: "/events", head: 10, former: [] });
    const renewed = await shown("renew");
    expect(renewed).toMatchObject({ head: 10, former: [{ identity: before.identity, parted: 10 }] });
    expect(await shown()).toEqual(renewed);
    expect((await server.kilde(["identity"])).stdout).toStartWith(
      `/events: ${renewed.identity}, head 10\n  before: ${before.identity}, the same up to position 10\n/operations: `,
    );

    const append = (log: string) =>
      fetch(`${server.url}/streams/s-1`, {
        method: "POST",
        headers: { "content-type": "application/json", "kilde-log": log },
        body: JSON.stringify({ events: [{ type: "N" }] }),
      });
    expect((await append(before.identity)).status).toBe(409);
    expect((await append(renewed.identity)).status).toBe(201);
  });

  test("exists in a store of an earlier version once that is migrated", async () => {
    const cwd = emptyFolder();
    await run(["migrate", "--database-url", "file:k.db"], { cwd });
    tamper(join(cwd, "k.db"), "drop trigger logs_identity");
    tamper(join(cwd, "k.db"), "alter table logs drop column identity");
    const { exitCode, stderr } = await run(["identity", "--database-url", "file:k.db"], { cwd });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("kilde migrate");
  });
});
