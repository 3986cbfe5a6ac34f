import type { KildeConfig } from "./settings.ts";

/**
 * Types the settings of a `kilde.config.ts`.
 *
 * @example
 * ```ts
 * import { defineConfig } from "kilde";
 *
 * export default defineConfig({ port: 8080 });
 * ```
 */
export function defineConfig(config: KildeConfig): KildeConfig {
  return config;
}
