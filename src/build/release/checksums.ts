import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Writes the SHA-256 of each file of a folder in the form that `sha256sum --check` reads. */
export async function writeChecksums(folder: string, name: string): Promise<void> {
  const lines: string[] = [];
  for (const file of readdirSync(folder).toSorted()) {
    if (file === name) continue;
    const hash = new Bun.CryptoHasher("sha256");
    for await (const bytes of Bun.file(join(folder, file)).stream()) hash.update(bytes);
    lines.push(`${hash.digest("hex")}  ${file}\n`);
  }
  await Bun.write(join(folder, name), lines.join(""));
}
