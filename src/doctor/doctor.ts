import { type Database, integerAt, type Row, type Statement } from "../storage/database.ts";
import { storageFailure } from "../storage/failures.ts";
import { INVARIANTS } from "./invariants.ts";
import { type Invariant, REPAIR, RESTORE } from "../storage/invariant.ts";
import { countMigrations } from "../log/migrate.ts";
import { MIGRATIONS } from "../storage/migrations.ts";
import { additions, missingParts } from "../log/schema-shape.ts";
import { COUNT_OLDER_ERASURES, SWEEP_OLDER_ERASURES } from "../log/erase/older-erasures.ts";
import { countLargeRows, END, WINDOW_ROWS, windowsOf } from "../log/invariants/windows.ts";
import { sweepStep } from "../log/erase/truncate.ts";

/** A violation of a rule. */
export interface Finding {
  readonly check: string;
  readonly detail: string;
  /** Instructions for the operator. */
  readonly remedy: string;
}

/** How far an examination has come. */
export interface ExaminationProgress {
  /** Rows of large tables that were read, and the total. */
  readonly done: number;
  readonly total: number;
}

export interface ExamineOptions {
  readonly onProgress?: (progress: ExaminationProgress) => void;
  /** Called with each check that the database is too old for, because it lacks a table or column. */
  readonly onSkip?: (check: string) => void;
}

/** Violations of one rule that are listed; the others are counted. */
const LISTED = 20;

export const STRUCTURE = "the file's structure";
export const SCHEMA = "the schema";
export const OLDER_ERASURES = "copies of data that older versions erased";

/** Damage that is confined to an index, which can be rebuilt from its table. */
const INDEX_DAMAGE = /(missing from|wrong # of entries in) index/;

/** SQLite's own check of the file, which a libSQL server does not offer. */
const INTEGRITY = `select integrity_check as detail from pragma_integrity_check(${LISTED}) where integrity_check <> 'ok'`;

const decoder = new TextDecoder();

/** A damaged text may not be UTF-8, which crashes the driver, so details are read as bytes. */
function detailAt(row: Row): string {
  const value = row[0];
  const bytes = value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? value : new Uint8Array();
  return decoder
    .decode(bytes)
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

async function readDetails(database: Database, sql: string, args: readonly number[]): Promise<string[]> {
  const rows = await database.read({
    sql: `select cast(detail as blob) from (${sql}) limit ${LISTED + 1}`,
    args,
  });
  return rows.map(detailAt);
}

async function countDetails(database: Database, sql: string, args: readonly number[]): Promise<number> {
  const [row] = await database.read({ sql: `select count(*) from (${sql})`, args });
  return integerAt(row, 0);
}

/** Collects the violations of one rule over the windows of a table. */
class Violations {
  readonly #invariant: Pick<Invariant, "name" | "sql" | "remedy">;
  readonly #listed: string[] = [];
  #unlisted = 0;

  constructor(invariant: Pick<Invariant, "name" | "sql" | "remedy">) {
    this.#invariant = invariant;
  }

  async look(database: Database, args: readonly number[]): Promise<void> {
    const { sql } = this.#invariant;
    const room = LISTED - this.#listed.length;
    const details = room > 0 ? await readDetails(database, sql, args) : [];
    this.#listed.push(...details.slice(0, room));
    if (room === 0) this.#unlisted += await countDetails(database, sql, args);
    else if (details.length > room) this.#unlisted += (await countDetails(database, sql, args)) - room;
  }

  findings(): Finding[] {
    const { name: check, remedy } = this.#invariant;
    const findings = this.#listed.map((detail) => ({ check, detail, remedy }));
    const more = { check, detail: `and ${this.#unlisted.toLocaleString("en")} more`, remedy };
    return this.#unlisted > 0 ? [...findings, more] : findings;
  }
}

/** Whether the table, column or index that a rule reads is missing; the examination of the schema reports it. */
function lacksSchema(error: unknown): boolean {
  return error instanceof Error && /no such (table|column|index)/.test(error.message);
}

async function examineSchema(database: Database, migrations: number): Promise<Finding[]> {
  return (await missingParts(database, migrations)).map(({ description, sql }) => ({
    check: SCHEMA,
    detail: `there is no ${description}`,
    remedy: sql === null ? RESTORE : REPAIR,
  }));
}

async function examineRules(database: Database, { onProgress, onSkip }: ExamineOptions): Promise<Finding[]> {
  const rules = INVARIANTS.map((invariant) => ({ invariant, violations: new Violations(invariant) }));
  const skipped = new Set<Invariant>();
  const look = async ({ invariant, violations }: (typeof rules)[number], args: readonly number[]) => {
    if (skipped.has(invariant)) return;
    try {
      await violations.look(database, args);
    } catch (error) {
      if (!lacksSchema(error)) throw error;
      skipped.add(invariant);
      onSkip?.(invariant.name);
    }
  };
  const total = await countLargeRows(database);
  let done = 0;
  for (const rule of rules) if (rule.invariant.over === undefined) await look(rule, []);
  for (const table of ["subjects", "events"] as const) {
    const ofTable = rules.filter(({ invariant }) => invariant.over === table);
    for await (const window of windowsOf(database, table)) {
      for (const rule of ofTable) await look(rule, window);
      done = Math.min(total, done + WINDOW_ROWS);
      onProgress?.({ done, total });
    }
  }
  return rules.flatMap(({ violations }) => violations.findings());
}

/**
 * Checks every invariant of a whole database: the file's structure, the schema, and the rules in `invariants.ts`. Reads
 * everything in parts, and changes nothing. Throws a `SchemaError` for another program's database.
 * @returns the violations; an empty list for a sound database
 */
export async function examine(database: Database, options: ExamineOptions = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    if (database.embedded) {
      const structure = new Violations({ name: STRUCTURE, sql: INTEGRITY, remedy: RESTORE });
      await structure.look(database, []);
      findings.push(
        ...structure
          .findings()
          .map((finding) => (INDEX_DAMAGE.test(finding.detail) ? { ...finding, remedy: REPAIR } : finding)),
      );
    }
    const migrations = await countMigrations(database);
    findings.push(...(await examineSchema(database, migrations)));
    // A database without any migration is not a store; the schema check alone does not show that.
    if (migrations === 0) return [{ check: SCHEMA, detail: "the file holds no store", remedy: RESTORE }];
    const isOld = migrations < MIGRATIONS.length;
    findings.push(...(await examineRules(database, isOld ? options : { ...options, onSkip: () => {} })));
    return findings;
  } catch (error) {
    const failure = storageFailure(error);
    if (failure !== "malformed" && failure !== "not-a-database") throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const detail = `the file is damaged, and cannot be examined further: ${reason}`;
    return [...findings, { check: STRUCTURE, detail, remedy: RESTORE }];
  }
}

/**
 * Counts the erasures by older versions that left copies of erased data in the file. They violate no rule, and `repair`
 * rewrites the file without the copies. 0 in a store that is too old to have a record of erasures.
 */
export async function countOlderErasures(database: Database): Promise<number> {
  try {
    const [row] = await database.read({ sql: COUNT_OLDER_ERASURES, args: [] });
    return integerAt(row, 0);
  } catch (error) {
    if (lacksSchema(error)) return 0;
    throw error;
  }
}

/** Whether a rule is violated; a rule whose tables or columns are missing can be neither checked nor repaired. */
async function isBroken(database: Database, sql: string, args: readonly number[]): Promise<boolean> {
  try {
    return (await readDetails(database, sql, args)).length > 0;
  } catch (error) {
    if (lacksSchema(error)) return false;
    throw error;
  }
}

/**
 * Writes a repair; false where a unique index refuses it, so that the fault stays and the next examination reports it.
 */
async function isWritten(database: Database, statements: readonly Statement[]): Promise<boolean> {
  try {
    await database.write(statements);
    return true;
  } catch (error) {
    if (storageFailure(error) === "conflict") return false;
    throw error;
  }
}

/**
 * Repairs whatever it can without losing data: missing indexes and triggers, marks that are derived from events,
 * cursors beyond their log. Rewrites a file in which older versions left copies of erased data, which takes as much
 * disk space again as the store. Faults that need a backup stay.
 * @returns the names of the checks whose violations it repaired
 */
export async function repair(database: Database): Promise<string[]> {
  const repaired: string[] = [];
  const damage = database.embedded ? await readDetails(database, INTEGRITY, []) : [];
  if (damage.some((detail) => INDEX_DAMAGE.test(detail))) {
    if (await isWritten(database, [{ sql: "reindex", args: [] }])) repaired.push(STRUCTURE);
  }
  const missing = additions(await missingParts(database, await countMigrations(database)));
  if (missing.length > 0 && (await isWritten(database, missing))) repaired.push(SCHEMA);
  for (const { name, over, sql, repair: statements = [] } of INVARIANTS) {
    if (statements.length === 0) continue;
    const args = over === undefined ? [] : [-END, END];
    if (!(await isBroken(database, sql, args))) continue;
    if (
      await isWritten(
        database,
        statements.map((statement) => ({ sql: statement, args: [] })),
      )
    )
      repaired.push(name);
  }
  if ((await countOlderErasures(database)) > 0) {
    // A vacuum cannot run in a transaction, so it is not a write.
    if (database.embedded) await database.read({ sql: "vacuum", args: [] });
    await database.write([{ sql: SWEEP_OLDER_ERASURES, args: [] }]);
    repaired.push(OLDER_ERASURES);
  }
  if (repaired.length > 0) while (await sweepStep(database));
  return repaired;
}
