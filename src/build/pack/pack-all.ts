import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { PLATFORMS } from "../../launcher/platforms.ts";
import { TARGETS, thisMachine } from "../binary.ts";
import { report } from "../report.ts";
import { run } from "../run.ts";
import { isNewerThanSources } from "./newer-than-sources.ts";
import { stageKilde, stagePlatform, stageServer } from "./stage-packages.ts";

/**
 * Packs the packages for npm: folders in `dist/npm`, archives in `dist/packages`. A build that is older than a
 * source is made again before.
 *
 * --all: the binaries of all platforms, and not of this one alone; --outdir <folder>, in place of `dist`.
 */

const ROOT = join(import.meta.dir, "../../..");

const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    outdir: { type: "string", default: join(ROOT, "dist") },
  },
});
const dist = resolve(values.outdir);

/** The binary of a platform, as `build.ts` names it. */
function builtBinary(id: string): string {
  if (!values.all) return join(dist, "kilde");
  const file = join(dist, `kilde-${id}`);
  return existsSync(file) ? file : `${file}.exe`;
}

const targets = values.all ? TARGETS : [thisMachine()];
const build = (...more: string[]) =>
  run([process.execPath, "src/build/build.ts", "--outdir", dist, ...more], ROOT);
const outdated = targets.filter(({ platform }) => !isNewerThanSources(ROOT, builtBinary(platform)));
if (outdated.length > 0) {
  await build("--binary", ...(values.all ? outdated.flatMap(({ platform }) => ["--target", platform]) : []));
}
if (!isNewerThanSources(ROOT, join(dist, "cjs/package.json"))) await build("--library");

const slug = process.env["GITHUB_REPOSITORY"];
const folders = [join(dist, "npm/kilde"), join(dist, "npm/server")];
await stageKilde(join(dist, "npm/kilde"), dist, slug);
await stageServer(join(dist, "npm/server"), dist, slug);
for (const platform of PLATFORMS) {
  if (!targets.some((target) => target.platform === platform.id)) continue;
  const folder = join(dist, `npm/server-${platform.id}`);
  await stagePlatform(folder, builtBinary(platform.id), platform, slug);
  folders.push(folder);
}

const packages = join(dist, "packages");
rmSync(packages, { recursive: true, force: true });
mkdirSync(packages, { recursive: true });
for (const folder of folders) await run(["npm", "pack", "--silent", "--pack-destination", packages], folder);
for (const archive of new Bun.Glob("*.tgz").scanSync({ cwd: packages, absolute: true })) report(archive);
