import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

import { version } from "../../../package.json" with { type: "json" };
import { TARGETS } from "../binary.ts";
import { report } from "../report.ts";
import { run } from "../run.ts";
import { writeChecksums } from "./checksums.ts";
import { writeNotes } from "./notes.ts";
import { publishPackages } from "./publish-packages.ts";

/**
 * Makes a release: the binaries of all platforms and the packages for npm, with checksums, a bill of materials (CycloneDX)
 * and notes, in `dist/release`. Then it publishes the packages, unless `--dry-run` is stated.
 */

const ROOT = join(import.meta.dir, "../../..");
const DIST = join(ROOT, "dist");
const RELEASE = join(DIST, "release");

const { values } = parseArgs({ options: { "dry-run": { type: "boolean", default: false } } });

const { GITHUB_REF_TYPE: refType, GITHUB_REF_NAME: ref } = process.env;
// The image and the release are named by the tag, the packages by the manifest; what npm has cannot be taken back.
if (refType === "tag" && ref !== `v${version}`) {
  throw new Error(`the tag ${ref} is not that of the version in package.json, which is ${version}`);
}

await run([process.execPath, "src/build/pack/pack-all.ts", "--all"], ROOT);

rmSync(RELEASE, { recursive: true, force: true });
mkdirSync(RELEASE, { recursive: true });

/** Each binary is the only file of its archive, which keeps it executable. */
for (const { platform } of TARGETS) {
  const folder = join(DIST, `npm/server-${platform}`);
  const binary = readdirSync(folder).find((name) => /^kilde(\.exe)?$/.test(name)) ?? "";
  const archive = join(RELEASE, `kilde-${version}-${platform}.tar.gz`);
  await run(["tar", "czf", archive, "--owner=0", "--group=0", "-C", folder, binary, "LICENSE"], ROOT);
}
const packages = readdirSync(join(DIST, "packages")).map((name) => join(DIST, "packages", name));
for (const archive of packages) cpSync(archive, join(RELEASE, basename(archive)));

const bill = await run(["npm", "sbom", "--omit=dev", "--sbom-format=cyclonedx", "--package-lock-only"], ROOT);
await Bun.write(join(RELEASE, `kilde-${version}.cdx.json`), bill);
await writeNotes(ROOT, join(RELEASE, "NOTES.md"));
await writeChecksums(RELEASE, "SHA256SUMS");
for (const name of readdirSync(RELEASE).toSorted()) report(join(RELEASE, name));

await publishPackages(packages, values["dry-run"]);
