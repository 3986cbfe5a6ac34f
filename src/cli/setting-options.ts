import { type Command, Option } from "commander";

import { pathText, SETTING_NAMES, type SettingName, type TextSetting } from "../config/names.ts";
import { DEFAULT_SETTINGS, LOG_LEVELS } from "../config/settings.ts";
import { collect } from "./options.ts";

export type FlagSetting = TextSetting;

/** The placeholder of each flag, and its meaning. */
export const SETTING_HELP: Readonly<
  Record<FlagSetting, readonly [placeholder: string, description: string]>
> = {
  host: ["<host>", "address to listen on; any but a loopback address needs TLS or --behind-proxy"],
  port: ["<port>", "port to listen on; 0 takes any free port"],
  databaseUrl: ["<url>", "file:<path>, :memory:, or the http(s):// or libsql:// address of a libSQL server"],
  databaseAuthToken: ["<token>", "token for a libSQL server; safer in the environment"],
  readUrl: ["<url>", "http(s):// or libsql:// address of a replica of that server, for reads"],
  behindProxy: ["", "a proxy in front ends TLS: listen on any address, for callers with keys"],
  open: ["", "serve everyone without keys, as long as no key or issuer has existed"],
  tlsCert: ["<file>", "certificates for TLS, in PEM; SIGHUP loads them again"],
  tlsKey: ["<file>", "private key of the certificate, in PEM"],
  metricsToken: ["<token>", "token that reads the metrics of all tenants; safer in the environment"],
  corsOrigin: ["<origin>", "origin whose pages may call; may be repeated; * lets all origins read"],
  accessLog: ["", "do not log requests"],
  logLevel: ["<level>", `lowest level of the lines to log: ${LOG_LEVELS.join(", ")}`],
  pollIntervalMs: ["<ms>", "how often to look for appends of other processes"],
  secretKeys: ["<id:key>", "key that seals the secrets of webhooks; safer in the environment"],
  egressAllow: ["<where>", "private address, range or name that webhooks may be sent to; * for all"],
  shutdownTimeoutMs: ["<ms>", "how long requests may take to end at a shutdown"],
  backupFolder: ["<folder>", "where backups are written; the metrics have the time of the newest"],
  correlations: ["", "index the correlation ids of events, for /events/correlated"],
  environment: ["<name>", "name of this environment, such as production, which the API and the console show"],
};

function defaultText({ secret, path }: SettingName): string {
  const value = DEFAULT_SETTINGS[path[0] as FlagSetting];
  if (secret || value === undefined || typeof value === "boolean" || Array.isArray(value)) return "";
  return ` (default: ${String(value)})`;
}

/** The flag of a setting. It has no default, because the environment and the file come before the default. */
function settingOption(setting: SettingName): Option {
  const [placeholder, description] = SETTING_HELP[setting.path[0] as FlagSetting];
  const text = `${description}${defaultText(setting)} [${setting.environment}]`;
  if (setting.form !== "boolean") {
    const option = new Option(`${setting.flag ?? ""} ${placeholder}`, text);
    return setting.form === "list" ? option.argParser(collect) : option;
  }
  const isOn = DEFAULT_SETTINGS[setting.path[0] as FlagSetting] === true;
  return new Option(isOn ? (setting.flag ?? "").replace("--", "--no-") : (setting.flag ?? ""), text);
}

/** Flags of these settings, and `--config`. */
export function settingOptions(...names: FlagSetting[]): Option[] {
  const options = SETTING_NAMES.filter(({ path }) => names.some((name) => name === pathText(path)));
  return [
    ...options.map(settingOption),
    new Option("--config <file>", "configuration file (default: kilde.config.ts here, if there is one)"),
  ];
}

/** The flags that the user stated. Commander sets an omitted `--no-…` to true, which would override the environment. */
export function statedFlags(command: Command): Readonly<Record<string, unknown>> {
  const flags = Object.entries(command.opts<Readonly<Record<string, unknown>>>());
  return Object.fromEntries(flags.filter(([name]) => command.getOptionValueSource(name) !== "default"));
}
