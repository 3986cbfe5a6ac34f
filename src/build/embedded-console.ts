import { join } from "node:path";

import type { BunPlugin } from "bun";

import { bundleConsole, type ConsoleBundle } from "../console/site/bundle-console.ts";

/** The module that replaces `console-site.ts`: it has the path of each file in the binary. */
async function consoleModule({ entry, files }: ConsoleBundle, folder: string): Promise<string> {
  const imports: string[] = [];
  const entries: string[] = [];
  for (const [name, { mediaType, content }] of files) {
    // Names change with the content, so builds at the same time share the folder.
    const source = join(folder, `${name}.dat`);
    await Bun.write(source, content);
    const variable = `f${imports.length}`;
    imports.push(`import ${variable} from ${JSON.stringify(source)} with { type: "file" };`);
    entries.push(`[${JSON.stringify(name)}, file(${variable}, ${JSON.stringify(mediaType)})],`);
  }
  return `${imports.join("\n")}
const file = (path, mediaType) => ({ mediaType, bytes: () => Bun.file(path).size, body: () => Bun.file(path).stream() });
const loaded = { entry: ${JSON.stringify(entry)}, files: new Map([${entries.join("\n")}]) };
export const loadConsole = async () => loaded;`;
}

/**
 * Puts the console into the binary, which reads each file only when a browser asks for it. `folder` holds the files
 * meanwhile.
 */
export async function embeddedConsole(folder: string): Promise<BunPlugin> {
  // A build that waits for another within a plugin never ends.
  const contents = await consoleModule(await bundleConsole(), folder);
  return {
    name: "embedded-console",
    setup(build) {
      build.onLoad({ filter: /[\\/]runtime[\\/]server[\\/]console-site\.ts$/ }, () => ({
        contents,
        loader: "js",
      }));
    },
  };
}
