import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { dependencies, devDependencies, version } from "../../package.json" with { type: "json" };
import { thisPlatform } from "../../src/launcher/this-platform.ts";
import { cleanUp, emptyFolder, type Finished, run } from "../cli/support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const id = thisPlatform()?.id ?? "";
const isPossible = id.startsWith("linux-") && ["npm", "git", "tar"].every((name) => Bun.which(name) !== null);

/** In place of the binary: newer than the sources, as one that a Mac has signed. */
const SIGNED = "#!/bin/sh\necho signed\n";

describe.skipIf(!isPossible)("npm run release -- --dry-run --this-platform", () => {
  let dist: string;
  let release: string;
  let finished: Finished;

  beforeAll(async () => {
    dist = emptyFolder();
    release = join(dist, "release");
    await Bun.write(join(dist, "kilde"), SIGNED);
    chmodSync(join(dist, "kilde"), 0o755);
    const program = [
      "npm",
      "run",
      "--silent",
      "release",
      "--",
      "--dry-run",
      "--this-platform",
      "--outdir",
      dist,
    ];
    finished = await run([], { cwd: ROOT, program });
    expect([finished.exitCode, finished.stderr]).toEqual([0, ""]);
  }, 300_000);

  test("makes the archives, the packages, the bill of materials and the notes, with checksums of all", async () => {
    const files = [
      "NOTES.md",
      "SHA256SUMS",
      `kilde-${version}-${id}.tar.gz`,
      `kilde-${version}.cdx.json`,
      `kilde-${version}.tgz`,
      `kilde-server-${version}.tgz`,
      `kilde-server-${id}-${version}.tgz`,
    ];
    expect(readdirSync(release).toSorted()).toEqual(files.toSorted());
    const checked = await run([], { cwd: release, program: ["sha256sum", "--check", "SHA256SUMS"] });
    const ok = files.filter((name) => name !== "SHA256SUMS").map((name) => `${name}: OK`);
    expect(checked.stdout.trim().split("\n").toSorted()).toEqual(ok.toSorted());
    expect(await Bun.file(join(release, "NOTES.md")).text()).toContain(`## ${version}`);
  });

  test("lists the dependencies that users get, and no others", async () => {
    const bill = (await Bun.file(join(release, `kilde-${version}.cdx.json`)).json()) as {
      readonly bomFormat: string;
      readonly components: readonly { readonly name: string; readonly "bom-ref": string }[];
      readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
    };
    const names = bill.components.map(({ name }) => name);
    const direct = Object.keys(dependencies);
    expect([bill.bomFormat, names]).toEqual(["CycloneDX", expect.arrayContaining(direct)]);
    for (const other of Object.keys(devDependencies)) expect(names).not.toContain(other);
    // All that it refers to is in it.
    const listed = new Set([`kilde@${version}`, ...bill.components.map((component) => component["bom-ref"])]);
    const named = bill.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
    expect(named.filter((ref) => !listed.has(ref))).toEqual([]);
    expect(bill.dependencies).toHaveLength(listed.size);
  });

  test("packs a binary that is newer than the sources as it is, so that its signature stays", async () => {
    for (const [archive, path] of [
      [`kilde-${version}-${id}.tar.gz`, "kilde"],
      [`kilde-server-${id}-${version}.tgz`, "package/kilde"],
    ] as const) {
      const cwd = emptyFolder();
      await run([], { cwd, program: ["tar", "xzf", join(release, archive)] });
      expect(await run([], { cwd, program: [join(cwd, path)] })).toMatchObject({ stdout: "signed\n" });
      expect(await Bun.file(join(cwd, path)).text()).toBe(SIGNED);
    }
  });

  test("prints how the packages would be published, and kilde after the others", () => {
    const published = [...finished.stdout.matchAll(/^would run: npm publish .* (\S+\.tgz)$/gm)];
    const files = published.map(([, file = ""]) => file);
    const packages = readdirSync(join(dist, "packages"));
    expect(files.toSorted()).toEqual(packages.map((name) => join(release, name)).toSorted());
    expect(files.at(-1)).toBe(join(release, `kilde-${version}.tgz`));
  });
});
