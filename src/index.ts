export { defineConfig } from "./config/define.ts";
export type { KildeConfig } from "./config/settings.ts";
