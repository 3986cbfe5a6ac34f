import { OIDC_SECRET_VARIABLE } from "../../config/auth.ts";
import { ConfigError } from "../../config/config-error.ts";
import { SETTING_NAMES } from "../../config/names.ts";
import { type Environment, resolveSettings } from "../../config/resolve.ts";
import type { KildeConfig, SettingValues } from "../../config/settings.ts";
import { tokenVariable } from "../../config/tenants.ts";
import { isServerUrl } from "../../core/database-url.ts";

/** The defaults that differ from a server's: the platform logs requests, and each look at the head is a call. */
const WORKER_DEFAULTS: KildeConfig = { accessLog: false, pollIntervalMs: 1_000 };

/** The platform listens, so settings of a server's address are left out. */
const NO_ADDRESS = {
  config: { host: undefined, port: undefined, tlsCert: undefined, tlsKey: undefined },
  environment: {
    KILDE_HOST: undefined,
    KILDE_PORT: undefined,
    KILDE_TLS_CERT: undefined,
    KILDE_TLS_KEY: undefined,
  },
};

/** An isolate has 128 MB for all of its requests, and a body takes several times its size while it is parsed. */
const WORKER_LIMITS: NonNullable<KildeConfig["limits"]> = { bodyBytes: 4 * 1024 * 1024 };

/** Returns the settings among an environment's bindings; the other bindings belong to the application. */
export function environmentOf({ tenants = [] }: KildeConfig, bindings: unknown): Environment {
  if (typeof bindings !== "object" || bindings === null) return {};
  const names = [
    ...SETTING_NAMES.map(({ environment }) => environment),
    OIDC_SECRET_VARIABLE,
    ...tenants.map(({ name }) => tokenVariable(name)),
  ];
  const found: Record<string, string> = {};
  for (const name of names) {
    const value: unknown = Reflect.get(bindings, name);
    if (typeof value === "string") found[name] = value;
  }
  return found;
}

function noFile(setting: string, url: string, remedy: string): string[] {
  if (isServerUrl(url)) return [];
  return [
    `${setting}: ${JSON.stringify(url)} cannot be used by a worker, which has no files. ` +
      `${remedy} to the http(s):// or libsql:// address of a libSQL server`,
  ];
}

/** Reads the settings of a worker, which have the names that a server's have. Throws a {@link ConfigError}. */
export function workerSettings(config: KildeConfig, environment: Environment): SettingValues {
  const limits = { ...WORKER_LIMITS, ...config.limits };
  const value = { ...WORKER_DEFAULTS, ...config, ...NO_ADDRESS.config, limits };
  const settings = resolveSettings({
    flags: {},
    environment: { ...environment, ...NO_ADDRESS.environment },
    file: { path: "createWorker", value },
  });
  const { tenants, databaseStated, databaseUrl } = settings;
  const problems = tenants.flatMap((tenant, index) =>
    noFile(`tenants.${index}.databaseUrl`, tenant.databaseUrl, "Set it"),
  );
  if (databaseStated || tenants.length === 0) {
    problems.push(...noFile("databaseUrl", databaseUrl, "Set KILDE_DATABASE_URL"));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}
