export { defineFeed } from "./feed/define.ts";
export type * from "./feed/define.ts";
export { defineConfig } from "./config/define.ts";
export type { KildeConfig } from "./config/settings.ts";
