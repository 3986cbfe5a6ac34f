import { ConfigError } from "../config/config-error.ts";
import { SETTING_NAMES } from "../config/names.ts";
import { type Environment, resolveSettings } from "../config/resolve.ts";
import type { KildeConfig, SettingValues } from "../config/settings.ts";
import { isServerUrl } from "../core/database-url.ts";

/** What differs from a server of one's own: the platform logs requests, and each look at the head is a call. */
const WORKER_DEFAULTS: KildeConfig = { accessLog: false, pollIntervalMs: 1_000 };

/** The settings among an environment's bindings; what else is bound is another's. */
export function environmentOf(bindings: unknown): Environment {
  if (typeof bindings !== "object" || bindings === null) return {};
  const found: Record<string, string> = {};
  for (const { environment } of SETTING_NAMES) {
    const value: unknown = Reflect.get(bindings, environment);
    if (typeof value === "string") found[environment] = value;
  }
  return found;
}

/** Settings as on a server, under the same names. Throws a {@link ConfigError}. */
export function workerSettings(config: KildeConfig, environment: Environment): SettingValues {
  const value = { ...WORKER_DEFAULTS, ...config };
  const settings = resolveSettings({ flags: {}, environment, file: { path: "createWorker", value } });
  const problems: string[] = [];
  if (!isServerUrl(settings.databaseUrl)) {
    problems.push(
      `databaseUrl: ${JSON.stringify(settings.databaseUrl)} cannot be used by a worker, which has no files. ` +
        "Set KILDE_DATABASE_URL to the http(s):// or libsql:// address of a libSQL server",
    );
  }
  if (!settings.behindProxy) {
    problems.push(
      "behindProxy: a worker is open to everybody, and Kilde does not check who calls. " +
        "Put in front of it what does, such as Cloudflare Access, and set KILDE_BEHIND_PROXY to true",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}
