import type { KildeConfig } from "./settings.ts";

/** Gives `kilde.config.ts` its types: `export default defineConfig({ port: 8080 })`. */
export function defineConfig(config: KildeConfig): KildeConfig {
  return config;
}
