import { errorText } from "../core/error-text.ts";
import { ConfigError } from "./config-error.ts";
import { loadConfigFile } from "./file.ts";
import { fileIdentity } from "./file-identity.ts";
import { type Environment, resolveSettings } from "./resolve.ts";
import type { Settings, SettingValues } from "./settings.ts";

export interface SettingsRequest {
  /** Flags by camel-case name; `config` is the path of the configuration file. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly cwd: string;
}

/** The settings: flags, then `KILDE_*` environment, then `kilde.config.ts`, then defaults. */
export async function loadSettings({ flags, environment, cwd }: SettingsRequest): Promise<Settings> {
  const { config } = flags;
  const file = await loadConfigFile(cwd, typeof config === "string" ? config : undefined);
  const fileKey = (path: string) => fileIdentity(path, cwd);
  const settings = resolveSettings({ flags, environment, file, fileKey });
  await checkDelivery(settings);
  return { ...settings, configFile: file?.absolute ?? null };
}

function faultOf(name: string, check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return [`${name}: ${errorText(error)}`];
  }
}

/** Checks what is checked by code that only webhooks need, and is loaded only where these settings are used. */
async function checkDelivery({ secretKeys, egressAllow }: SettingValues): Promise<void> {
  const problems: string[] = [];
  if (secretKeys.length > 0) {
    const { parseKeys } = await import("../webhooks/signing/seal-keys.ts");
    problems.push(...faultOf("secretKeys", () => parseKeys(secretKeys.join(","))));
  }
  if (egressAllow.length > 0) {
    const { createAddressRules } = await import("../webhooks/egress/address-rules.ts");
    problems.push(...faultOf("egressAllow", () => createAddressRules(egressAllow)));
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
