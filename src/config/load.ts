import { loadConfigFile } from "./file.ts";
import { type Environment, resolveSettings } from "./resolve.ts";
import type { Settings } from "./settings.ts";

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
  return { ...resolveSettings({ flags, environment, file }), configFile: file?.absolute ?? null };
}
