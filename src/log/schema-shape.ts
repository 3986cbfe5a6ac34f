import { type Database, type Statement, textAt } from "../storage/database.ts";
import { openEmbedded } from "../storage/embedded.ts";
import { migrateTo } from "./migrate.ts";

/*
 * The schema of a database, compared with that of a new database after the same migrations, so that
 * there is no second description of the schema.
 */

/** A part of the schema: `index events_subject_version of events: unique, subject, version`. */
interface SchemaPart {
  readonly description: string;
  /** Makes it, where it is missing and can be added: an index or a trigger. */
  readonly sql: string | null;
}

const COLUMNS = `
select 'column ' || listed.name || '.' || info.name || ': ' || lower(info.type) || iif(info."notnull", ', not null', '')
  || iif(info.pk > 0, ', primary key ' || info.pk, '') || coalesce(', default ' || info.dflt_value, '')
from sqlite_master as listed cross join pragma_table_xinfo(listed.name) as info
where listed.type = 'table' and listed.name not like 'sqlite!_%' escape '!'`;

const REFERENCES = `
select 'reference of ' || listed.name || '.' || foreign_key."from" || ' to ' || foreign_key."table" || '.' || coalesce(foreign_key."to", '')
from sqlite_master as listed cross join pragma_foreign_key_list(listed.name) as foreign_key
where listed.type = 'table'`;

const INDEXES = `
select 'index ' || iif(list.origin = 'c', list.name || ' of ', 'that keeps a key of ') || listed.name || ': '
    || iif(list."unique", 'unique, ', '') || iif(list.partial, 'partial, ', '')
    || (select group_concat(column.name || iif(column."desc", ' desc', ''), ', ')
      from (select * from pragma_index_xinfo(list.name) where "key" = 1 order by seqno) as column) as description,
  (select sql from sqlite_master where type = 'index' and name = list.name) as sql
from sqlite_master as listed cross join pragma_index_list(listed.name) as list
where listed.type = 'table' and listed.name not like 'sqlite!_%' escape '!'`;

const TRIGGERS =
  "select 'trigger ' || name || ' of ' || tbl_name, sql from sqlite_master where type = 'trigger'";

async function readShape(database: Database): Promise<SchemaPart[]> {
  const parts: SchemaPart[] = [];
  for (const sql of [COLUMNS, REFERENCES, INDEXES, TRIGGERS]) {
    for (const row of await database.read({ sql, args: [] })) {
      parts.push({ description: textAt(row, 0), sql: typeof row[1] === "string" ? row[1] : null });
    }
  }
  return parts;
}

async function expectedShape(migrations: number): Promise<SchemaPart[]> {
  const model = openEmbedded(":memory:");
  try {
    await migrateTo(model, migrations);
    return await readShape(model);
  } finally {
    model.close();
  }
}

/** Parts of the schema that a database with so many migrations lacks, or has in another form. */
export async function missingParts(database: Database, migrations: number): Promise<SchemaPart[]> {
  const present = new Set((await readShape(database)).map(({ description }) => description));
  return (await expectedShape(migrations)).filter(({ description }) => !present.has(description));
}

/**
 * Statements that add the missing parts that can be added, in the place of others of the same name. A unique index fails
 * where there are duplicates.
 */
export function additions(missing: readonly SchemaPart[]): Statement[] {
  return missing.flatMap(({ description, sql }) => {
    if (sql === null) return [];
    const [kind, name] = description.split(" ");
    return [
      { sql: `drop ${kind} if exists "${name}"`, args: [] },
      { sql, args: [] },
    ];
  });
}
