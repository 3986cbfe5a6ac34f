import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Glob } from "bun";

import { migrate } from "../../src/log/migrate.ts";
import { textAt } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/open.ts";

/*
 * Each table has one part that owns it. Only SQL of that part writes to the table; others compose statements and fragments
 * that it exports. Rules are checked on the SQL in the source, which names tables in lower case.
 */

const SOURCE = join(import.meta.dir, "../../src");

const TABLES_OF: Readonly<Record<string, readonly string[]>> = {
  storage: ["leases"],
  access: ["api_keys", "access_state"],
  log: [
    "logs",
    "log_lineage",
    "subjects",
    "events",
    "erasures",
    "erasure_generations",
    "erased_ranges",
    "idempotency",
    "consumers",
    "consumer_lag",
    "event_correlations",
    "correlation_progress",
    "__drizzle_migrations",
  ],
  administration: ["objectives", "objective_states"],
  feeds: [
    "feeds",
    "feed_ahead",
    "feed_contracts",
    "feed_subjects",
    "feed_origins",
    "feed_revisions",
    "feed_places",
  ],
  webhooks: [
    "subscriptions",
    "subscription_subjects",
    "subscription_skips",
    "subscription_attempts",
    "kept_attempts",
    "kept_attempt_subjects",
  ],
};

const OWNERS = new Map(
  Object.entries(TABLES_OF).flatMap(([owner, tables]) => tables.map((table) => [table, owner] as const)),
);

/**
 * A feed or a subscription is a place in a log, and entries of administration state what a log or a consumer was: their
 * queries read the log's tables, and never write to them.
 */
const READS_THE_LOG = new Set(["feeds", "webhooks", "administration"]);

/** Files that name tables of others. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "backup/store-copy.ts":
    "copies whole files, whatever tables they have, and deletes rows that changed meanwhile",
  "storage/failures.ts": "recognizes a plan that lost to another by the column that refused it",
};

/** SQL whose table is an interpolation, by file and expression, with the table that it is. */
const INTERPOLATED: Readonly<Record<string, string>> = {
  "feeds/log-invariants.ts VERSIONS": "events, with its index",
  "log/invariants/subjects.ts VERSIONS": "events, with its index",
  "log/migrate.ts JOURNAL": "__drizzle_migrations",
};

interface TableUse {
  readonly file: string;
  readonly line: number;
  /** Name of the table, or the expression that is interpolated for it. */
  readonly table: string;
  readonly kind: "read" | "write" | "mention" | "interpolated";
}

/** Source text without comments that begin a line or follow code; lines stay where they are. */
function withoutComments(text: string): string {
  return text
    .replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replaceAll(/[^\n]/g, ""))
    .replaceAll(/(^|\s)\/\/ .*$/gm, "$1");
}

const NAMED =
  /\b(delete\s+from|from|join|into|update)\s+(?:main\.|source\.)?(?:\$\{([^}]*)\}|([a-z_]+)\b)(\s+set\b|\s+as\b)?/g;

function tableUsesIn(file: string): TableUse[] {
  const text = withoutComments(readFileSync(join(SOURCE, file), "utf8"));
  const lineOf = (at: number) => text.slice(0, at).split("\n").length;
  const uses: TableUse[] = [];
  const named = new Set<number>();
  for (const match of text.matchAll(NAMED)) {
    const [whole, verb = "", expression, table = ""] = match;
    const line = lineOf(match.index);
    if (expression !== undefined) {
      // Other texts interpolate after "from" as well.
      const template = text.slice(text.lastIndexOf("`", match.index), match.index + verb.length);
      if (/\b(select|delete|insert|update)\b/.test(template))
        uses.push({ file, line, table: expression, kind: "interpolated" });
      continue;
    }
    if (!OWNERS.has(table)) continue;
    named.add(match.index + whole.indexOf(table, verb.length));
    const kind = verb === "from" || verb === "join" ? "read" : "write";
    uses.push({ file, line, table, kind });
  }
  // Names with an underscore are of tables wherever they stand: identifiers have none.
  for (const { 0: table, index } of text.matchAll(/\b_*[a-z]+(?:_[a-z]+)+\b/g))
    if (OWNERS.has(table) && !named.has(index))
      uses.push({ file, line: lineOf(index), table, kind: "mention" });
  return uses;
}

/** Their tables are in databases of users. */
const ELSEWHERE = /^consumer\//;

const uses = [...new Glob("**/*.ts").scanSync(SOURCE)]
  .filter((file) => !/(\.d|\/schema)\.ts$/.test(file) && !ELSEWHERE.test(file))
  .flatMap(tableUsesIn);

function isAllowed({ file, table, kind }: TableUse): boolean {
  const part = file.slice(0, file.indexOf("/"));
  if (kind === "interpolated") return `${file} ${table}` in INTERPOLATED;
  const owner = OWNERS.get(table);
  return owner === part || (kind === "read" && owner === "log" && READS_THE_LOG.has(part));
}

test("SQL names only tables that its part owns, and of the log's tables for reading", () => {
  const wrong = uses
    .filter((use) => !(use.file in EXCEPTIONS) && !isAllowed(use))
    .map(({ file, line, table, kind }) => `${file}:${line}: ${kind} ${table}`);
  expect(wrong).toEqual([]);
});

test("the exceptions are needed", () => {
  const needed = Object.keys(EXCEPTIONS).filter((file) =>
    uses.some((use) => use.file === file && !isAllowed(use)),
  );
  expect(needed).toEqual(Object.keys(EXCEPTIONS));
  const interpolated = uses
    .filter(({ kind }) => kind === "interpolated")
    .map(({ file, table }) => `${file} ${table}`);
  expect(interpolated).toEqual(expect.arrayContaining(Object.keys(INTERPOLATED)));
});

test("each table of a new store has one owner, whose SQL writes to it", async () => {
  const database = openDatabase({ url: ":memory:" });
  try {
    await migrate(database);
    const rows = await database.read({
      sql: "select name from sqlite_master where type = 'table' and name not like 'sqlite!_%' escape '!'",
      args: [],
    });
    expect(rows.map((row) => textAt(row, 0)).toSorted()).toEqual([...OWNERS.keys()].toSorted());
    const written = new Set(uses.filter(({ kind }) => kind === "write").map(({ table }) => table));
    // Its name is a constant.
    written.add("__drizzle_migrations");
    // Triggers write it.
    written.add("kept_attempt_subjects");
    expect([...written].toSorted()).toEqual([...OWNERS.keys()].toSorted());
  } finally {
    database.close();
  }
});
