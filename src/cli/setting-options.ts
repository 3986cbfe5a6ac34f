import { type Command, Option } from "commander";

import { pathText, SETTING_NAMES, type SettingName, type TextSetting } from "../config/names.ts";
import { DEFAULT_SETTINGS, LOG_LEVELS } from "../config/settings.ts";
import { collect } from "./options.ts";

export type FlagSetting = TextSetting;

const SETTING_HELP: Readonly<Record<FlagSetting, readonly [placeholder: string, description: string]>> = {
  host: ["<host>", "address to listen on; any but a loopback address needs --behind-proxy"],
  port: ["<port>", "port to listen on; 0 takes any that is free"],
  databaseUrl: ["<url>", "file:<path>, :memory:, or the http(s):// or libsql:// address of a libSQL server"],
  databaseAuthToken: ["<token>", "token for a libSQL server; safer in the environment"],
  readUrl: ["<url>", "http(s):// or libsql:// address of a replica of that server, which reads go to"],
  behindProxy: ["", "a proxy that checks who calls stands in front: listen on any address"],
  corsOrigin: ["<origin>", "origin that browsers may call from; may be repeated; * lets all read"],
  accessLog: ["", "do not log requests"],
  logLevel: ["<level>", LOG_LEVELS.join(", ")],
  pollIntervalMs: ["<ms>", "how often to look for what other processes appended"],
  secretKeys: ["<id:key>", "key that seals the secrets of webhooks; safer in the environment"],
  egressAllow: [
    "<where>",
    "address, range or name that webhooks may be sent to though it is private; * for all",
  ],
  shutdownTimeoutMs: ["<ms>", "how long requests may take to end at a shutdown"],
};

function defaultText({ secret, path }: SettingName): string {
  const value = DEFAULT_SETTINGS[path[0] as FlagSetting];
  if (secret || value === undefined || typeof value === "boolean" || Array.isArray(value)) return "";
  return ` (default: ${String(value)})`;
}

/** The flag of a setting. It has no default here: the environment and the file come before that. */
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

/** The flags that were stated: a `--no-…` that was not counts as set otherwise, and would win over the environment. */
export function statedFlags(command: Command): Readonly<Record<string, unknown>> {
  const flags = Object.entries(command.opts<Readonly<Record<string, unknown>>>());
  return Object.fromEntries(flags.filter(([name]) => command.getOptionValueSource(name) !== "default"));
}
