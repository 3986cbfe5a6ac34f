import type { SettingValues } from "../config/settings.ts";
import { DEFAULT_TENANT } from "../config/tenants.ts";
import { type TenantAddress, tenantChooser } from "../http/tenants.ts";

/** A database that the worker serves. */
export interface ServedDatabase extends TenantAddress {
  /** Null: there are no tenants. */
  readonly tenant: string | null;
  readonly url: string;
  readonly readUrl: string | undefined;
  readonly authToken: string | undefined;
}

/** That of `databaseUrl`, which serves what is no tenant's; null: nothing does. */
function restOf({ tenants, databaseStated, ...settings }: SettingValues): ServedDatabase | null {
  const tenant = tenants.length === 0 ? null : DEFAULT_TENANT;
  if (tenant !== null && !databaseStated) return null;
  const { databaseUrl: url, readUrl, databaseAuthToken: authToken } = settings;
  return { tenant, url, readUrl, authToken };
}

function ofTenants({ tenants }: SettingValues): readonly ServedDatabase[] {
  return tenants.map(({ name, host, path, databaseUrl, readUrl, databaseAuthToken }) => ({
    tenant: name,
    host,
    path,
    url: databaseUrl,
    readUrl,
    authToken: databaseAuthToken,
  }));
}

/** All that are served. */
export function servedDatabases(settings: SettingValues): readonly ServedDatabase[] {
  const rest = restOf(settings);
  return rest === null ? ofTenants(settings) : [rest, ...ofTenants(settings)];
}

/** The one that a request is for; null: none. */
export function databaseFor(settings: SettingValues, request: Request): ServedDatabase | null {
  const rest = restOf(settings);
  if (settings.tenants.length === 0) return rest;
  return tenantChooser(ofTenants(settings))(new URL(request.url)) ?? rest;
}
