import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { databaseFile, databaseFileUrl, shownDatabaseUrl } from "../core/database-url.ts";
import type { Settings } from "../config/settings.ts";
import { KildeError } from "../core/errors.ts";
import type { Database } from "../storage/database.ts";
import { storageFailure } from "../storage/failures.ts";
import { SchemaError } from "../log/migrate.ts";
import { openDatabase } from "../storage/open.ts";
import { fileBehind } from "../core/file-behind.ts";
import { fileState, holdsBytes, isClosed, openReadOnly } from "../storage/sealed-files.ts";
import { CliError, EXIT, problemError } from "./exit.ts";

type DatabaseSettings = Pick<Settings, "databaseUrl" | "databaseAuthToken">;

/** The database's file. Throws a CliError for a database that is not a file, on behalf of verbs that need one. */
export function requireFile({ databaseUrl }: DatabaseSettings, cwd: string, remedy: string): string {
  const file = databaseFile(databaseUrl);
  if (file !== null) return resolve(cwd, file);
  throw new CliError(EXIT.usage, `The database ${shownDatabaseUrl(databaseUrl)} is not a file`, remedy);
}

export function requireExisting(file: string): void {
  if (existsSync(file)) return;
  throw new CliError(
    EXIT.failure,
    `There is no database at ${file}`,
    "Name one with --database-url or KILDE_DATABASE_URL; `kilde serve` creates it.",
  );
}

/** The databases that do not exist yet, as absolute paths of files. */
export function missingFiles(databases: readonly DatabaseSettings[], cwd: string): string[] {
  return databases.flatMap(({ databaseUrl }) => {
    const file = databaseFile(databaseUrl);
    return file === null || existsSync(resolve(cwd, file)) ? [] : [resolve(cwd, file)];
  });
}

/** Converts the error of a database into one with a remedy; returns other errors unchanged. */
export function databaseError(error: unknown, url: string): unknown {
  const name = shownDatabaseUrl(url);
  const withRemedy = (message: string, remedy: string, exitCode: CliError["exitCode"] = EXIT.failure) =>
    new CliError(exitCode, message, remedy, { cause: error });
  if (error instanceof CliError) return error;
  if (error instanceof SchemaError) return new CliError(EXIT.failure, `${name}: ${error.message}`);
  const cause = error instanceof KildeError && error.cause !== undefined ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  switch (storageFailure(cause)) {
    case "read-only":
      return withRemedy(
        `The database ${name} is read-only: ${reason}`,
        "Give this user the right to write the file and its folder.",
      );
    case "not-a-database":
      return withRemedy(
        `${name} is not a database: ${reason}`,
        "Name another file with --database-url; to replace it with a backup, use `kilde restore --force`.",
        EXIT.faults,
      );
    case "malformed":
      return withRemedy(
        `${name} is damaged: ${reason}`,
        "Keep a copy of the file, and restore a backup with `kilde restore --force`.",
        EXIT.faults,
      );
    case "busy":
      return withRemedy(
        `Another process holds the database ${name}: ${reason}`,
        "Try again when it has finished.",
        EXIT.unavailable,
      );
    case "full":
      return withRemedy(`The disk of ${name} is full: ${reason}`, "Free disk space.");
    case "conflict":
    case "unknown":
      if (error instanceof KildeError) return problemError(error);
      if (!isDriverError(error)) return error;
      if (/no such (table|column)/.test(reason)) {
        return withRemedy(
          `${name} has not the tables of this version of Kilde: ${reason}`,
          "If it is a database of Kilde, `kilde migrate` updates it.",
        );
      }
      if (/HTTP status 40[13]/.test(reason)) {
        return withRemedy(
          `The database ${name} does not take the token: ${reason}`,
          "Set KILDE_DATABASE_AUTH_TOKEN to a token that the server accepts for writing.",
          EXIT.unavailable,
        );
      }
      return withRemedy(
        `The database ${name} cannot be used: ${reason}`,
        "Check that it exists, and that this user may use it.",
        databaseFile(url) === null ? EXIT.unavailable : EXIT.failure,
      );
  }
}

/** Whether an error is one of SQLite, of a libSQL server, or of the connection to it. */
export function isDriverError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code: unknown = "code" in error ? error.code : null;
  return typeof code === "string" || /SQLITE_|fetch|connect|unable to open/i.test(error.message);
}

/** Creates the folder of a file if it is missing. */
export function makeFolder(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(
      EXIT.failure,
      `The folder of ${file} cannot be made: ${reason}`,
      "Name a file in a folder that this user may write.",
      { cause: error },
    );
  }
}

/** Opens a database read-only, without changing it or its journal mode, and closes it after `use`. */
export async function withReadOnlyDatabase<Result>(
  settings: DatabaseSettings,
  cwd: string,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  const file = databaseFile(settings.databaseUrl);
  if (file === null) return withDatabase(settings, cwd, use);
  const path = fileBehind(resolve(cwd, file));
  let database: Database | null = null;
  try {
    const before = fileState(path);
    const wasClosed = isClosed(path);
    database = openReadOnly(path);
    const found = await use(database);
    if (!wasClosed || fileState(path) === before) return found;
    throw new CliError(
      EXIT.unavailable,
      `${settings.databaseUrl} was opened by another process while it was read`,
      "Run the command again.",
    );
  } catch (error) {
    if (storageFailure(error) === "read-only" && holdsBytes(`${path}-journal`)) {
      throw new CliError(
        EXIT.failure,
        `The last write to ${settings.databaseUrl} was interrupted, and its journal has to be rolled back first`,
        "`kilde migrate` does that, and so does `kilde serve`.",
        { cause: error },
      );
    }
    throw databaseError(error, settings.databaseUrl);
  } finally {
    database?.close();
  }
}

/** Opens the database, and creates its folder if needed. */
function openOrCreate(settings: DatabaseSettings, cwd: string): Database {
  const { databaseUrl, databaseAuthToken } = settings;
  const file = databaseFile(databaseUrl);
  const url = file === null ? databaseUrl : databaseFileUrl(resolve(cwd, file));
  if (file !== null) makeFolder(resolve(cwd, file));
  return openDatabase({ url, authToken: databaseAuthToken });
}

/** Opens a database, calls `use`, and closes it. Errors use `name`. */
export async function withDatabase<Result>(
  settings: DatabaseSettings,
  cwd: string,
  use: (database: Database) => Promise<Result>,
  name = settings.databaseUrl,
): Promise<Result> {
  let database: Database | null = null;
  try {
    database = openOrCreate(settings, cwd);
    return await use(database);
  } catch (error) {
    throw databaseError(error, name);
  } finally {
    database?.close();
  }
}
