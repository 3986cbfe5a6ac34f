import { loadConfigFile } from "./file.ts";
import { type Environment, resolveSettings } from "./resolve.ts";

/** Address of the server that a folder's configuration describes, as clients on this machine reach it. */
export interface ServerAddress {
  readonly url: string;
  /** The file that states host or port; null: neither is stated in a file. */
  readonly file: string | null;
}

/** Settings that determine the address, and those that other hosts than the default depend on. */
const FROM_FILE = ["host", "port", "behindProxy", "open", "tlsCert", "tlsKey"] as const;
const FROM_ENVIRONMENT = [
  "KILDE_HOST",
  "KILDE_PORT",
  "KILDE_BEHIND_PROXY",
  "KILDE_OPEN",
  "KILDE_TLS_CERT",
  "KILDE_TLS_KEY",
] as const;

/** Addresses that stand for all of a machine's own. */
const ANY_HOST: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "[::1]"],
  ["[::]", "[::1]"],
]);

function only<Value>(
  values: Readonly<Record<string, Value>>,
  names: readonly string[],
): Record<string, Value> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/**
 * Reads `host`, `port` and TLS from the environment and from the configuration file of a folder; other settings concern only
 * the server and are not checked. Throws a `ConfigError`.
 */
export async function serverAddress(environment: Environment, cwd: string): Promise<ServerAddress> {
  const file = await loadConfigFile(cwd, undefined);
  const stated = file === null ? {} : only(file.value, FROM_FILE);
  const { host, port, tlsCert } = resolveSettings({
    flags: {},
    environment: only(environment, FROM_ENVIRONMENT),
    file: file === null ? null : { path: file.path, value: stated },
  });
  const name = ANY_HOST.get(host) ?? (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);
  const isStated = stated["host"] !== undefined || stated["port"] !== undefined;
  return {
    url: `${tlsCert === undefined ? "http" : "https"}://${name}:${port}`,
    file: isStated && file !== null ? file.path : null,
  };
}
