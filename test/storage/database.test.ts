import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ENSURE_SUBJECTS, INSERT_EVENTS, INSERT_UNREAD_EVENTS } from "../../src/log/append/append-batch.ts";
import { INSERT_KEYS_OF_UNREAD, SELECT_KEYS, SELECT_SUBJECTS } from "../../src/log/append/lookups.ts";
import type { Database, Statement } from "../../src/storage/database.ts";
import { examine } from "../../src/doctor/doctor.ts";
import { listErasures, RECORD_ERASURES, SELECT_MISSING } from "../../src/log/erase/erasures.ts";
import { storageFailure } from "../../src/storage/failures.ts";
import { LIST_KEPT, trimKept } from "../../src/webhooks/subscriptions/kept-attempts.ts";
import { forgetKeptContents } from "../../src/webhooks/subscriptions/source-log.ts";
import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import { migrate } from "../../src/log/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations.ts";
import { openDatabase } from "../../src/storage/open.ts";
import {
  bytesStatement,
  fittingSelection,
  entriesStatement,
  pageStatement,
  type EventSelection,
} from "../../src/log/read/pages.ts";
import {
  FIND_SUBJECT,
  listChangedSubjects,
  listSubjects,
  versionAtStatement,
} from "../../src/log/read/subjects.ts";
import { DELETE_TRUNCATED } from "../../src/log/erase/truncate.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { openApp } from "../support/app.ts";

const IDENTITY = "0123456789abcdef";

function inFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  return use(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
}

describe("a new database", () => {
  test.each(["memory", "file"])("rolls a failed write back as a whole, in %s", async (kind) => {
    await inFolder(async (folder) => {
      const database = openDatabase({ url: kind === "memory" ? ":memory:" : `file:${folder}/kilde.db` });
      await migrate(database);
      const add = (id: number): Statement => ({
        sql: "insert into logs (id, name) values (?, ?)",
        args: [id, `/log-${id}`],
      });
      const refused = await database.write([add(7), add(8), add(7)]).catch(storageFailure);
      expect(refused).toBe("conflict");
      expect(await database.read({ sql: "select id from logs", args: [] })).toEqual([[0], [1]]);
      database.close();
    });
  });

  test("uses a write-ahead log in a file", async () => {
    await inFolder(async (folder) => {
      const database = openDatabase({ url: `file:${folder}/kilde.db` });
      expect(await database.read({ sql: "pragma journal_mode", args: [] })).toEqual([["wal"]]);
      database.close();
    });
  });
});

describe("migrations", () => {
  test("the program contains every file of migrations/, unchanged", async () => {
    const folder = join(import.meta.dir, "../../migrations");
    const journal = JSON.parse(readFileSync(join(folder, "meta/_journal.json"), "utf8")) as {
      entries: { tag: string }[];
    };
    expect(MIGRATIONS.map(({ tag }) => tag)).toEqual(journal.entries.map(({ tag }) => tag));
    for (const { tag, text } of MIGRATIONS)
      expect(text).toBe(readFileSync(join(folder, `${tag}.sql`), "utf8"));
  });

  test("processes that start together migrate once", async () => {
    await inFolder(async (folder) => {
      const script = join(folder, "migrate.ts");
      const source = join(import.meta.dir, "../../src");
      writeFileSync(
        script,
        `import { openDatabase } from "${source}/storage/open.ts";
         import { migrate } from "${source}/log/migrate.ts";
         const database = openDatabase({ url: "file:${folder}/kilde.db" });
         console.log(JSON.stringify(await migrate(database)));`,
      );
      const processes = Array.from({ length: 4 }, () =>
        Bun.spawn([process.execPath, script], { stderr: "pipe" }),
      );
      const done = await Promise.all(
        processes.map(async (child) => {
          const [out, error] = await Promise.all([
            new Response(child.stdout).text(),
            new Response(child.stderr).text(),
          ]);
          expect([await child.exited, error]).toEqual([0, ""]);
          return JSON.parse(out) as string[];
        }),
      );
      expect(done.flat()).toEqual(MIGRATIONS.map(({ tag }) => tag));
      const database = openDatabase({ url: `file:${folder}/kilde.db` });
      expect(await migrate(database)).toEqual([]);
      expect(await examine(database)).toEqual([]);
      database.close();
    });
  });

  test("a store from before erasures were recorded has a record of them after the migration", async () => {
    const database = openDatabase({ url: ":memory:" });
    const app = await openApp({ database });
    for (const stream of ["a", "b", "c"]) await app.append(stream, { type: "T" }, { type: "T" });
    await app.fetch("/streams/a?reason=asked", { method: "DELETE" });
    await app.fetch("/streams/b?before=2", { method: "DELETE" });
    const recorded = await Array.fromAsync(listErasures(database, EVENT_LOG_ADDRESS));
    const migration = MIGRATIONS.find(({ tag }) => tag === "0003_erasures")?.text ?? "";
    await database.write([
      { sql: "delete from erasures", args: [] },
      { sql: migration.split("--> statement-breakpoint").at(-1) ?? "", args: [] },
    ]);
    expect(recorded).toMatchObject([{ subject: "a", position: 7, version: 3, reason: "asked" }]);
    expect(await Array.fromAsync(listErasures(database, EVENT_LOG_ADDRESS))).toEqual(recorded);
    await app.close();
  });

  const refused: [name: string, sql: string[], message: RegExp][] = [
    [
      "a newer schema",
      ["insert into __drizzle_migrations (id, hash, created_at) values (99, 'future', 0)"],
      /newer schema/,
    ],
    [
      "another version's schema",
      ["update __drizzle_migrations set hash = 'other'"],
      /not .* of this program/,
    ],
  ];
  for (const [name, statements, message] of refused) {
    test(`${name} is rejected`, async () => {
      const database = openDatabase({ url: ":memory:" });
      await migrate(database);
      await database.write(statements.map((sql) => ({ sql, args: [] })));
      await expect(migrate(database)).rejects.toThrow(message);
      database.close();
    });
  }

  test("a database of another program is rejected, and left unchanged", async () => {
    const database = openDatabase({ url: ":memory:" });
    await database.write([{ sql: "create table theirs (id integer)", args: [] }]);
    await expect(migrate(database)).rejects.toThrow(/not one of Kilde's.*theirs/);
    const tables = await database.read({ sql: "select name from sqlite_master", args: [] });
    expect(tables).toHaveLength(1);
    database.close();
  });
});

describe("an unusable file", () => {
  test("is rejected when it is not a database", () =>
    inFolder(async (folder) => {
      const path = join(folder, "kilde.db");
      writeFileSync(path, "this is not a database, despite its name".repeat(100));
      expect(() => openDatabase({ url: `file:${path}` })).toThrow(/not a database/);
    }));

  test("is rejected when its folder is missing", () =>
    inFolder(async (folder) => {
      expect(() => openDatabase({ url: `file:${folder}/none/kilde.db` })).toThrow();
      expect(existsSync(join(folder, "none"))).toBe(false);
    }));

  test.skipIf(process.getuid?.() === 0)("is rejected when it is read-only", () =>
    inFolder(async (folder) => {
      const path = join(folder, "kilde.db");
      const database = openDatabase({ url: `file:${path}` });
      await migrate(database);
      database.close();
      chmodSync(path, 0o444);
      chmodSync(folder, 0o555);
      const again = openDatabase({ url: `file:${path}` });
      await expect(migrate(again)).rejects.toThrow(/read-?only/);
      again.close();
      chmodSync(folder, 0o755);
    }),
  );

  test("rejects the whole append when it is full, and continues to serve others", async () => {
    const database = openDatabase({ url: ":memory:" });
    const app = await openApp({ database });
    await app.append("s", { type: "T" });
    const [pages] = await database.read({ sql: "pragma page_count", args: [] });
    await database.read({ sql: `pragma max_page_count = ${Number(pages?.[0]) + 10}`, args: [] });
    const large = { type: "T", data: "x".repeat(100_000) };
    const response = await app.fetch("/streams/s", {
      method: "POST",
      body: JSON.stringify({ events: [{ type: "T" }, large] }),
      headers: { "content-type": "application/json" },
    });
    expect(response.status).toBe(507);
    expect(await response.json()).toMatchObject({ type: "/problems/storage-full" });
    expect((await app.append("s", { type: "T" })).version).toBe(2);
    expect(await app.get("/events")).toHaveLength(2);
    expect(await examine(database)).toEqual([]);
    await app.close();
  });
});

describe("query plans", () => {
  const GROWING = /SCAN (events|event|subjects|subject|idempotency|first)\b(?! VIRTUAL)/;

  const planOf = async (database: Database, { sql, args }: Statement) => {
    const rows = await database.read({ sql: `explain query plan ${sql}`, args });
    return rows.map((row) => String(row[3])).join("\n");
  };

  const log = EVENT_LOG_ADDRESS;
  const base = { after: 5, before: 50, filter: {}, limit: 10 } as const;
  const filter = { types: ["a"], subjectPrefix: "b" };
  const selections: EventSelection[] = (["forwards", "backwards"] as const).flatMap((direction) => [
    { ...base, source: "log", direction },
    { ...base, source: "log", direction, filter },
    { ...base, source: { subjectId: 1 }, direction },
    { ...base, source: { subjectId: 1 }, direction, filter },
  ]);

  test("no hot statement scans a table that grows, or sorts what it reads", async () => {
    const database = openDatabase({ url: ":memory:" });
    await migrate(database);
    const statements: Statement[] = [
      { sql: INSERT_EVENTS, args: [0, 0, "", "[]"] },
      { sql: INSERT_UNREAD_EVENTS, args: [0, 0, "", "[]"] },
      { sql: ENSURE_SUBJECTS, args: [0, "[]"] },
      { sql: INSERT_KEYS_OF_UNREAD, args: [0, "", "[]"] },
      { sql: SELECT_SUBJECTS, args: [0, "[]"] },
      { sql: SELECT_KEYS, args: ["[]"] },
      { sql: FIND_SUBJECT, args: [0, 0, "s"] },
      { sql: DELETE_TRUNCATED, args: [1, 5, 10] },
      { sql: RECORD_ERASURES, args: [0, 0, "[]"] },
      { sql: SELECT_MISSING, args: [0, "[]"] },
      { sql: versionAtStatement("key"), args: [1, 0, 10, 5] },
      { sql: versionAtStatement("recorded"), args: [1, 0, 10, ""] },
      ...selections.flatMap((selection) => [
        pageStatement(log, selection, "array"),
        entriesStatement(log, IDENTITY, selection, "event-stream"),
        bytesStatement(log, selection),
        fittingSelection(log, selection, 100),
      ]),
    ];
    for (const statement of statements) {
      const plan = await planOf(database, statement);
      expect(plan).not.toMatch(GROWING);
      expect(plan).not.toContain("ORDER BY");
    }
    database.close();
  });

  test("kept attempts are found by the index of their outcome, and those of an erased subject by its id", async () => {
    const database = openDatabase({ url: ":memory:" });
    await migrate(database);
    const triggers = await database.read({
      sql: "select sql from sqlite_master where type = 'trigger' and name glob 'kept_attempts_*'",
      args: [],
    });
    const inTriggers = triggers
      .flatMap(([sql]) => String(sql).match(/(UPDATE `|DELETE FROM)[^;]+/g) ?? [])
      .map((sql) => ({ sql: sql.replaceAll(/(new|old)\.`\w+`/g, "?1"), args: ["[1]"] }));
    expect(inTriggers).toHaveLength(3);
    const erase = forgetKeptContents([[1, 1, 2]]);
    const statements = [{ sql: LIST_KEPT, args: ["s", "[0,1]", 9, 10] }, ...trimKept("s"), erase];
    for (const statement of [...statements, ...inTriggers])
      expect(await planOf(database, statement)).not.toMatch(/SCAN kept_attempt/);
    database.close();
  });

  test("no list of streams does so either", async () => {
    const database = openDatabase({ url: ":memory:" });
    await migrate(database);
    const seen: Statement[] = [];
    const spied: Database = {
      ...database,
      read: (statement) => {
        seen.push(statement);
        return database.read(statement);
      },
    };
    await listSubjects(spied, log, { prefix: "a", cursor: "b", limit: 5 });
    await listChangedSubjects({ database: spied, clock: systemClock }, log, {
      prefix: "",
      since: 0,
      head: 9,
      limit: 5,
    });
    expect(seen).toHaveLength(2);
    for (const statement of seen) {
      const plan = await planOf(database, statement);
      expect(plan).not.toMatch(GROWING);
      expect(plan).not.toContain("ORDER BY");
    }
    database.close();
  });
});
