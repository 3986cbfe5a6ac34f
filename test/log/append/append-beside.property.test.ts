import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";

import { entry, recordEntries } from "../../../src/administration/entry.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import { appendBeside, eventsBeside } from "../../../src/log/append/append-beside.ts";
import { migrate } from "../../../src/log/migrate.ts";
import { type Database, integerAt, type Statement, textAt } from "../../../src/storage/database.ts";
import { storageFailure } from "../../../src/storage/failures.ts";
import { openDatabase } from "../../../src/storage/open.ts";

const NOW = "2026-01-31T12:00:00.000Z";
const WRITERS = join(import.meta.dir, "append-beside-writer.ts");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kilde-beside-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The entries of the log of administration, in order of key. */
async function entriesIn(database: Database) {
  const rows = await database.read({
    sql: `select event.key - (log.id << 40), subject.name, event.version, event.data from logs as log
      join subjects as subject on subject.log = log.id join events as event on event.subject = subject.id
      where log.name = '/operations' order by event.key`,
    args: [],
  });
  return rows.map((row) => ({
    position: integerAt(row, 0),
    subject: textAt(row, 1),
    version: integerAt(row, 2),
    data: textAt(row, 3),
  }));
}

function expectGapless(found: Awaited<ReturnType<typeof entriesIn>>): void {
  expect(found.map(({ position }) => position)).toEqual(found.map((_, index) => index + 1));
  const versions = new Map<string, number>();
  for (const { subject, version } of found) {
    expect([subject, version]).toEqual([subject, (versions.get(subject) ?? 0) + 1]);
    versions.set(subject, version);
  }
}

/** A change that takes effect or not, and the subjects of the entries that are recorded with it. */
const change = fc.record({
  isEffective: fc.boolean(),
  isRefused: fc.boolean(),
  subjects: fc.array(fc.constantFrom("/a", "/b", "/c"), { maxLength: 6 }),
});

test("exactly the batches that take effect append, whatever they hold", () =>
  fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
      const database = openDatabase({ url: ":memory:" });
      await migrate(database);
      const expected: string[] = [];
      for (const [index, { isEffective, isRefused, subjects }] of changes.entries()) {
        const rows = subjects.map((subject) => [subject, "kilde.test", { index }] as const);
        const statements: Statement[] = [
          { sql: "update logs set verbatim_until = 0 where id = ?", args: [isEffective ? 0 : 99] },
          ...appendBeside("/operations", eventsBeside(rows), { now: NOW, condition: "changed" }),
          ...(isRefused ? [{ sql: "update logs set head = null where id = 0", args: [] }] : []),
        ];
        const refused = await database.write(statements).then(
          () => false,
          (error: unknown) => storageFailure(error) === "conflict",
        );
        expect(refused).toBe(isRefused);
        if (isEffective && !isRefused) expected.push(...subjects.map((subject) => `${subject} ${index}`));
      }
      const found = await entriesIn(database);
      expectGapless(found);
      expect(
        found.map(({ subject, data }) => `${subject} ${(JSON.parse(data) as { index: number }).index}`),
      ).toEqual(expected);
      expect(await examine(database)).toEqual([]);
      database.close();
    }),
    { numRuns: 60 },
  ));

test("positions and versions are gapless with many processes, some of which are killed", async () => {
  const url = `file:${join(folder, "kilde.db")}`;
  const database = openDatabase({ url });
  await migrate(database);
  await database.write(
    recordEntries([entry("/feeds/x/v1", "kilde.feed.live", { principal: null })], NOW, "always"),
  );
  const children = Array.from({ length: 6 }, (_, index) =>
    Bun.spawn([process.execPath, WRITERS, url, String(index)], { stdout: "pipe", stderr: "inherit" }),
  );
  await Bun.sleep(1_500);
  for (const child of children.slice(0, 3)) child.kill("SIGKILL");
  const reported = await Promise.all(children.map(async (child) => new Response(child.stdout).text()));
  const codes = await Promise.all(children.map(({ exited }) => exited));
  expect(codes.slice(3)).toEqual([0, 0, 0]);
  const found = await entriesIn(database);
  expectGapless(found);
  // Each batch also counted itself in the row of the event log: an entry is there exactly if that was written.
  const [row] = await database.read({ sql: "select verbatim_until from logs where id = 0", args: [] });
  expect(found.length - 1).toBe(integerAt(row, 0));
  const stored = new Set(found.map(({ data }) => (JSON.parse(data) as { id?: string }).id));
  const acknowledged = reported.flatMap((text) => text.split("\n").slice(0, -1));
  expect(acknowledged.length).toBeGreaterThan(20);
  expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
  expect(await examine(database)).toEqual([]);
  database.close();
}, 60_000);
