import { Option } from "commander";

import { type ServedDatabase, servedDatabases } from "../config/served.ts";
import type { Settings } from "../config/settings.ts";
import { DEFAULT_TENANT } from "../config/tenants.ts";
import { CliError, EXIT } from "./exit.ts";

export type NamedDatabase = Pick<ServedDatabase, "tenant" | "databaseUrl" | "databaseAuthToken">;

export function tenantOption(): Option {
  return new Option("--tenant <name>", "the database of this tenant of the configuration").conflicts(
    "databaseUrl",
  );
}

function databaseNames(databases: readonly NamedDatabase[]): string {
  return databases.map(({ tenant }) => tenant ?? DEFAULT_TENANT).join(", ");
}

/** The databases to work on: the one that the flags state, or else all that are served. */
export function meantDatabases(
  settings: Settings,
  flags: Readonly<Record<string, unknown>>,
): readonly NamedDatabase[] {
  const { databaseUrl, databaseAuthToken } = settings;
  if (flags["databaseUrl"] !== undefined) return [{ tenant: null, databaseUrl, databaseAuthToken }];
  const databases = servedDatabases(settings);
  const { tenant } = flags;
  if (tenant === undefined) return databases;
  const found = databases.filter((database) => database.tenant === tenant);
  if (found.length > 0) return found;
  throw new CliError(
    EXIT.usage,
    `tenant: there is no ${JSON.stringify(tenant)} (flag --tenant)`,
    settings.tenants.length === 0 ? "The configuration has none." : `There are ${databaseNames(databases)}.`,
  );
}

/** The database to work on, for a verb that works on one. */
export function meantDatabase(settings: Settings, flags: Readonly<Record<string, unknown>>): NamedDatabase {
  const databases = meantDatabases(settings, flags);
  const [database] = databases;
  if (database !== undefined && databases.length === 1) return database;
  throw new CliError(
    EXIT.usage,
    `Which database? The configuration has ${databases.length}`,
    `Name one with --tenant (${databaseNames(databases)}) or --database-url.`,
  );
}
