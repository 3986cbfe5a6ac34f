import { errorText } from "../core/error-text.ts";
import { ConfigError } from "./config-error.ts";
import { loadConfigFile } from "./file.ts";
import { fileIdentity } from "./file-identity.ts";
import { type Environment, resolveSettings } from "./resolve.ts";
import { withSecretFiles } from "./secret-files.ts";
import type { Settings, SettingValues } from "./settings.ts";

export interface SettingsRequest {
  /** Flags by camel-case name; `config` is the path of the configuration file. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly cwd: string;
}

/**
 * Loads the settings. Flags win over `KILDE_*` environment variables, these over `kilde.config.ts`, and that over
 * defaults. A secret may be in the file that its variable with `_FILE` names. Throws a {@link ConfigError} with every problem.
 */
export async function loadSettings({ flags, environment, cwd }: SettingsRequest): Promise<Settings> {
  const { config } = flags;
  const file = await loadConfigFile(cwd, typeof config === "string" ? config : undefined);
  const fileKey = (path: string) => fileIdentity(path, cwd);
  const settings = resolveSettings({ flags, environment: withSecretFiles(environment, cwd), file, fileKey });
  await checkDelivery(settings);
  return { ...settings, configFile: file?.absolute ?? null };
}

function checkFaults(name: string, check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return [`${name}: ${errorText(error)}`];
  }
}

/** Runs the checks whose code only webhooks need; it is loaded only where these settings are used. */
async function checkDelivery({ secretKeys, egressAllow }: SettingValues): Promise<void> {
  const problems: string[] = [];
  if (secretKeys.length > 0) {
    const { parseKeys } = await import("../webhooks/signing/seal-keys.ts");
    problems.push(...checkFaults("secretKeys", () => parseKeys(secretKeys.join(","))));
  }
  if (egressAllow.length > 0) {
    const { createAddressRules } = await import("../webhooks/egress/address-rules.ts");
    problems.push(...checkFaults("egressAllow", () => createAddressRules(egressAllow)));
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
