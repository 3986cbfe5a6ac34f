import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { type Archive, readArchive } from "./archive.ts";
import { publishCommand, publishPackages, type PublishOptions } from "./publish-packages.ts";

/**
 * Publishes the packages of a release that `release.ts` made.
 *
 * --from <folder>, in place of `dist/release`; --dry-run: prints the commands alone; --no-provenance: for registries that do not
 * verify it, and outside of workflows.
 */

/** `kilde` comes last: from then on, users get the version, and find its binaries. */
function publishingOrder(archives: readonly Archive[]): readonly Archive[] {
  const isCommand = ({ name }: Archive) => name === "kilde";
  return [...archives.filter((archive) => !isCommand(archive)), ...archives.filter(isCommand)];
}

const { values } = parseArgs({
  allowNegative: true,
  options: {
    from: { type: "string", default: join(import.meta.dir, "../../../dist/release") },
    "dry-run": { type: "boolean", default: false },
    provenance: { type: "boolean", default: true },
  },
});
const folder = resolve(values.from);
const options: PublishOptions = { folder, provenance: values.provenance };
const files = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
if (files.length === 0) throw new Error(`${folder} contains no packages: \`npm run release\` makes them`);
const archives = publishingOrder(
  await Promise.all(files.map((name) => readArchive(join(folder, name), folder))),
);
if (values["dry-run"]) {
  for (const archive of archives) console.log(`would run: ${publishCommand(archive, options).join(" ")}`);
} else await publishPackages(archives, options);
