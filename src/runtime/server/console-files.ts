import type { ConsoleFiles } from "../../http/service/console.ts";
import type { LoadedConsole } from "./console-site.ts";

/** Loaded with the first request for the console, so that a server without visitors neither starts later nor grows. */
let loaded: Promise<LoadedConsole> | null = null;

async function load(): Promise<LoadedConsole> {
  const { loadConsole } = await import("./console-site.ts");
  return loadConsole();
}

export const consoleFiles: ConsoleFiles = {
  async entry() {
    loaded ??= load();
    return (await loaded).entry;
  },
  async find(name) {
    loaded ??= load();
    return (await loaded).files.get(name);
  },
};
