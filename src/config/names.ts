import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";
import type { Settings } from "./settings.ts";

/** The settings file in the working directory. */
export const CONFIG_FILE = "kilde.config.ts";

/** The text form of a setting in a flag or in the environment. */
export type TextForm = "text" | "integer" | "boolean" | "list";

/** A setting with each of its names. */
export interface SettingName {
  /** Its path in `kilde.config.ts`: `port`, or `limits.eventBytes`. */
  readonly path: readonly [string, ...string[]];
  /** Null: it has no flag. */
  readonly flag: string | null;
  readonly environment: string;
  readonly form: TextForm;
  /** Messages do not show its value. */
  readonly secret: boolean;
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}

/** Settings whose values messages do not show. In a flag, every process of the machine would see them. */
const SECRETS: ReadonlySet<TextSetting> = new Set(["databaseAuthToken", "metricsToken", "secretKeys"]);

function setting(name: TextSetting, form: TextForm): SettingName {
  return {
    path: [name],
    flag: `--${words(name).join("-")}`,
    environment: `KILDE_${words(name).join("_").toUpperCase()}`,
    form,
    secret: SECRETS.has(name),
  };
}

function limit(name: keyof Limits): SettingName {
  return {
    path: ["limits", name],
    flag: null,
    environment: `KILDE_LIMIT_${words(name).join("_").toUpperCase()}`,
    form: "integer",
    secret: false,
  };
}

/** Settings with a text form. */
export type TextSetting = Exclude<
  keyof Settings,
  "limits" | "feeds" | "auth" | "objectives" | "tenants" | "databaseStated" | "configFile"
>;

const TEXT_FORMS: Readonly<Record<TextSetting, TextForm>> = {
  host: "text",
  port: "integer",
  databaseUrl: "text",
  databaseAuthToken: "text",
  readUrl: "text",
  behindProxy: "boolean",
  open: "boolean",
  tlsCert: "text",
  tlsKey: "text",
  metricsToken: "text",
  corsOrigin: "list",
  accessLog: "boolean",
  logLevel: "text",
  pollIntervalMs: "integer",
  secretKeys: "list",
  egressAllow: "list",
  shutdownTimeoutMs: "integer",
  correlations: "boolean",
  backupFolder: "text",
  environment: "text",
};

/** All settings. */
export const SETTING_NAMES: readonly SettingName[] = [
  ...Object.entries(TEXT_FORMS).map(([name, form]) => setting(name as keyof typeof TEXT_FORMS, form)),
  ...Object.keys(DEFAULT_LIMITS).map((name) => limit(name as keyof Limits)),
];

export function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}
