import { type ServedDatabase, servedDatabases } from "../../config/served.ts";
import type { SettingValues } from "../../config/settings.ts";
import { tenantChooser } from "../../http/pipeline/tenants.ts";

/** Returns a function that finds the database of a request; null: none. */
export function databaseChooser(settings: SettingValues): (request: Request) => ServedDatabase | null {
  const all = servedDatabases(settings);
  const rest = all.find(({ host, path }) => host === undefined && path === undefined) ?? null;
  if (settings.tenants.length === 0) return () => rest;
  const choose = tenantChooser(all);
  return (request) => choose(new URL(request.url)) ?? rest;
}
