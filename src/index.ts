export { defineFeed } from "./feeds/define/define.ts";
export type * from "./feeds/define/define.ts";
export { defineConfig } from "./config/define.ts";
export type { KildeConfig } from "./config/settings.ts";
