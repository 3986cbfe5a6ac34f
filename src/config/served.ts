import type { SettingValues } from "./settings.ts";
import { DEFAULT_TENANT, type Tenant } from "./tenants.ts";

/** A database that is served. Only that of `databaseUrl` has neither host nor path. */
export interface ServedDatabase extends Omit<Tenant, "name"> {
  /** Null: there are no tenants. */
  readonly tenant: string | null;
}

/** The databases that these settings serve, that of `databaseUrl` first. */
export function servedDatabases(settings: SettingValues): readonly ServedDatabase[] {
  const { tenants, databaseStated, databaseUrl, readUrl, databaseAuthToken } = settings;
  const tenant = tenants.length === 0 ? null : DEFAULT_TENANT;
  return [
    ...(databaseStated || tenant === null ? [{ tenant, databaseUrl, readUrl, databaseAuthToken }] : []),
    ...tenants.map(({ name, ...others }) => ({ ...others, tenant: name })),
  ];
}
