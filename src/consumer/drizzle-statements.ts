import type { SQL } from "drizzle-orm";

/**
 * Statements of a drizzle database on libSQL, or of a transaction that it began. Declarations that programs import do not
 * name these types, so that they check where drizzle is not installed.
 */
export interface LibsqlStatements {
  run(statement: SQL): PromiseLike<unknown>;
  all<Row>(statement: SQL): PromiseLike<Row[]>;
}

/** The same on PostgreSQL. */
export interface PostgresStatements {
  execute(statement: SQL): PromiseLike<unknown>;
}
