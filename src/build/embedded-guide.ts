import { createHash } from "node:crypto";
import { join } from "node:path";

import type { BunPlugin } from "bun";

import { renderSite } from "../docs/site/render-site.ts";

/** The module that replaces `docs-site.ts`: it has the path of each file in the binary. */
async function siteModule(folder: string): Promise<string> {
  const imports: string[] = [];
  const entries: string[] = [];
  for (const [path, { mediaType, content }] of await renderSite()) {
    const hash = createHash("sha256").update(path).update(content).digest("hex").slice(0, 24);
    const source = join(folder, `${hash}.dat`);
    await Bun.write(source, content);
    imports.push(`import f${hash} from ${JSON.stringify(source)} with { type: "file" };`);
    entries.push(`[${JSON.stringify(path)}, file(f${hash}, ${JSON.stringify(mediaType)})],`);
  }
  return `${imports.join("\n")}
const file = (path, mediaType) => ({ mediaType, bytes: () => Bun.file(path).size, body: () => Bun.file(path).stream() });
const files = new Map([${entries.join("\n")}]);
export const loadDocsSite = async () => files;`;
}

/**
 * Puts the rendered guide into the binary, which reads each file only when a browser asks for it. `folder` holds the files
 * meanwhile. They are named by their content: the binary has no folders, and builds at the same time share them.
 */
export async function embeddedGuide(folder: string): Promise<BunPlugin> {
  // Rendering bundles the search, and a build that waits for another within a plugin never ends.
  const contents = await siteModule(folder);
  return {
    name: "embedded-guide",
    setup(build) {
      build.onLoad({ filter: /[\\/]runtime[\\/]server[\\/]docs-site\.ts$/ }, () => ({
        contents,
        loader: "js",
      }));
    },
  };
}
