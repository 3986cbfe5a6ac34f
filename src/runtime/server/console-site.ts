import type { ConsoleEntry } from "../../http/service/console.ts";
import { contentFile, type StaticFile } from "../../http/service/static-file.ts";

/** The files of the console, by name. */
export interface LoadedConsole {
  readonly entry: ConsoleEntry;
  readonly files: ReadonlyMap<string, StaticFile>;
}

/** Bundles the console. The build replaces this module with one that has the bundled files. */
export async function loadConsole(): Promise<LoadedConsole> {
  const { bundleConsole } = await import("../../console/site/bundle-console.ts");
  const { entry, files } = await bundleConsole();
  return {
    entry,
    files: new Map(
      [...files].map(([name, { mediaType, content }]) => [name, contentFile(mediaType, content)]),
    ),
  };
}
