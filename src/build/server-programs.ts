import { join } from "node:path";

import type { BunPlugin } from "bun";

import { embeddedConsole } from "./embedded-console.ts";
import { embeddedGuide } from "./embedded-guide.ts";

/** The server, and the programs of its threads. */
export const SERVER_PROGRAMS = [
  "src/main.ts",
  "src/storage/writer/writer-thread.ts",
  "src/runtime/threads/projector-thread.ts",
  "src/runtime/threads/dispatcher-thread.ts",
  "src/runtime/server/parsing-thread.ts",
] as const;

/** zod has its messages in fifty languages, and would load all of them. */
const oneLanguage: BunPlugin = {
  name: "one-language",
  setup(build) {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

/** Puts the guide and the console into the server. `cache` is a folder for files meanwhile. */
export async function serverPlugins(cache: string): Promise<BunPlugin[]> {
  return [
    oneLanguage,
    await embeddedGuide(join(cache, "guide")),
    await embeddedConsole(join(cache, "console")),
  ];
}
