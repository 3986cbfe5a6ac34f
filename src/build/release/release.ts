import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { version } from "../../../package.json" with { type: "json" };
import { TARGETS, thisMachine } from "../binary.ts";
import { report } from "../report.ts";
import { run } from "../run.ts";
import { writeBillOfMaterials } from "./bill-of-materials.ts";
import { writeChecksums } from "./checksums.ts";
import { writeNotes } from "./notes.ts";

/**
 * Makes a release: the binaries of all platforms and the packages for npm, with checksums, a bill of materials (CycloneDX)
 * and notes, in `dist/release`. `publish.ts` publishes it.
 *
 * --dry-run: prints then how; --this-platform: no other binaries than that of this machine; --outdir <folder>, in place of
 * `dist`.
 */

const ROOT = join(import.meta.dir, "../../..");

const { values } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    "this-platform": { type: "boolean", default: false },
    outdir: { type: "string", default: join(ROOT, "dist") },
  },
});
const dist = resolve(values.outdir);
const release = join(dist, "release");

const { GITHUB_REF_TYPE: refType, GITHUB_REF_NAME: ref } = process.env;
// The image and the release are named by the tag, the packages by the manifest; what npm has cannot be taken back.
if (refType === "tag" && ref !== `v${version}`) {
  throw new Error(`the tag ${ref} is not that of the version in package.json, which is ${version}`);
}

const targets = values["this-platform"] ? [thisMachine()] : TARGETS;
const all = values["this-platform"] ? [] : ["--all"];
await run([process.execPath, "src/build/pack/pack-all.ts", "--outdir", dist, ...all], ROOT);

rmSync(release, { recursive: true, force: true });
mkdirSync(release, { recursive: true });

/** Each binary is the only file of its archive, which keeps it executable. */
for (const { platform } of targets) {
  const folder = join(dist, `npm/server-${platform}`);
  const binary = readdirSync(folder).find((name) => /^kilde(\.exe)?$/.test(name)) ?? "";
  const archive = join(release, `kilde-${version}-${platform}.tar.gz`);
  await run(["tar", "czf", archive, "--owner=0", "--group=0", "-C", folder, binary, "LICENSE"], ROOT);
}
const packages = readdirSync(join(dist, "packages")).map((name) => join(dist, "packages", name));
for (const archive of packages) cpSync(archive, join(release, basename(archive)));

await writeBillOfMaterials(ROOT, join(release, `kilde-${version}.cdx.json`));
await writeNotes(ROOT, join(release, "NOTES.md"));
await writeChecksums(release, "SHA256SUMS");
for (const name of readdirSync(release).toSorted()) report(join(release, name));

if (values["dry-run"]) {
  const publish = [process.execPath, "src/build/release/publish.ts", "--dry-run", "--from", release];
  console.log(await run(publish, ROOT));
}
