import { run } from "../run.ts";

/** An archive that npm packed. */
export interface Archive {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  /** Of the file's content, as the registry states it: `sha512-…`. */
  readonly integrity: string;
}

export async function readArchive(file: string, folder: string): Promise<Archive> {
  const manifest = await run(["tar", "xzOf", file, "package/package.json"], folder);
  const { name, version } = JSON.parse(manifest) as { readonly name: string; readonly version: string };
  const hash = new Bun.CryptoHasher("sha512");
  for await (const bytes of Bun.file(file).stream()) hash.update(bytes);
  return { file, name, version, integrity: `sha512-${hash.digest("base64")}` };
}
