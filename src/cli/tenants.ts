import { Option } from "commander";

import type { Settings } from "../config/settings.ts";
import { DEFAULT_TENANT } from "../config/tenants.ts";
import { CliError, EXIT } from "./exit.ts";

type DatabaseSettings = Pick<Settings, "databaseUrl" | "databaseAuthToken">;

export interface NamedDatabase extends DatabaseSettings {
  /** Null: there are no tenants. */
  readonly tenant: string | null;
}

export function tenantOption(): Option {
  return new Option("--tenant <name>", "the database of this tenant of the configuration").conflicts(
    "databaseUrl",
  );
}

/** The databases that a server with these settings serves, that of `databaseUrl` first. */
export function servedDatabases(settings: Settings): readonly NamedDatabase[] {
  const { tenants, databaseStated, databaseUrl, databaseAuthToken } = settings;
  const own = { tenant: tenants.length === 0 ? null : DEFAULT_TENANT, databaseUrl, databaseAuthToken };
  return [
    ...(databaseStated || tenants.length === 0 ? [own] : []),
    ...tenants.map(({ name, ...tenant }) => ({
      tenant: name,
      databaseUrl: tenant.databaseUrl,
      databaseAuthToken: tenant.databaseAuthToken,
    })),
  ];
}

function listed(databases: readonly NamedDatabase[]): string {
  return databases.map(({ tenant }) => tenant ?? DEFAULT_TENANT).join(", ");
}

/** The databases that are meant: the one that the flags state, or else all that are served. */
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
    settings.tenants.length === 0 ? "The configuration has none." : `There are ${listed(databases)}.`,
  );
}

/** The one database that is meant, for a verb that works on one. */
export function meantDatabase(settings: Settings, flags: Readonly<Record<string, unknown>>): NamedDatabase {
  const databases = meantDatabases(settings, flags);
  const [database] = databases;
  if (database !== undefined && databases.length === 1) return database;
  throw new CliError(
    EXIT.usage,
    `Which database? The configuration has ${databases.length}`,
    `Name one with --tenant (${listed(databases)}) or --database-url.`,
  );
}
