import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { binaryName, type BinaryPlatform, SERVER_PACKAGE } from "../../launcher/platforms.ts";
import { buildBunServer } from "../bun-server.ts";
import { copyTypes } from "../copy-types.ts";
import { LIBRARY } from "../library.ts";
import { kildeManifest, platformManifest, serverManifest } from "./manifests.ts";

const ROOT = join(import.meta.dir, "../../..");

async function emptyPackage(folder: string, manifest: object, readme: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await Bun.write(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await Bun.write(join(folder, "README.md"), readme);
  cpSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
}

/** The entries of the server's package keep the names that they have in `kilde`. */
async function writeForwarders(folder: string): Promise<void> {
  for (const { name, entry, from, isEntry } of LIBRARY) {
    if (from !== SERVER_PACKAGE || !isEntry) continue;
    const text = `// \`npm install ${SERVER_PACKAGE}\` installs it.\nexport * from "${SERVER_PACKAGE}/${name}";\n`;
    await Bun.write(join(folder, `${name}.js`), text);
    const types = entry.replace(/^src\//, "types/").replace(/\.ts$/, ".d.ts");
    await Bun.write(join(folder, types), text);
  }
}

/** Makes the package `kilde` of the built library. */
export async function stageKilde(folder: string, built: string, slug: string | undefined): Promise<void> {
  await emptyPackage(folder, kildeManifest(slug), await Bun.file(join(ROOT, "README.md")).text());
  const dist = join(folder, "dist");
  const parts = LIBRARY.filter(({ from }) => from === "kilde");
  for (const { name } of parts) {
    for (const file of [`${name}.js`, `${name}.js.map`]) cpSync(join(built, file), join(dist, file));
  }
  cpSync(join(built, "cjs"), join(dist, "cjs"), { recursive: true });
  await copyTypes(join(built, "types"), join(dist, "types"), parts);
  await writeForwarders(dist);
  await Bun.build({
    entrypoints: [join(ROOT, "src/launcher/launcher.ts")],
    outdir: join(folder, "bin"),
    naming: "kilde.[ext]",
    target: "node",
    format: "esm",
  });
}

/** Makes the package `@kilde/server` of the built library. */
export async function stageServer(folder: string, built: string, slug: string | undefined): Promise<void> {
  const readme = `# ${SERVER_PACKAGE}\n\nInstall it beside \`kilde\`, whose entries \`kilde/embed\` and \`kilde/worker\` it contains.\n`;
  await emptyPackage(folder, serverManifest(slug), readme);
  const parts = LIBRARY.filter(({ from }) => from === SERVER_PACKAGE);
  for (const { name } of parts) cpSync(join(built, `${name}.js`), join(folder, "dist", `${name}.js`));
  cpSync(join(built, "assets"), join(folder, "dist/assets"), { recursive: true });
  const entries = parts.filter(({ isEntry }) => isEntry);
  await copyTypes(join(built, "types"), join(folder, "dist/types"), entries);
  await buildBunServer(join(folder, "server"));
}

/** Makes the package with the binary of a platform. */
export async function stagePlatform(
  folder: string,
  binary: string,
  platform: BinaryPlatform,
  slug: string | undefined,
): Promise<void> {
  const readme = `# The binary of Kilde for ${platform.id}\n\n\`npx kilde\` starts it.\n`;
  await emptyPackage(folder, platformManifest(platform, slug), readme);
  cpSync(binary, join(folder, binaryName(platform.os)));
}
