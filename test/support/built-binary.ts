import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

export interface BuiltBinary {
  /** Contains nothing but the binary. It is removed after the tests of the file. */
  readonly folder: string;
  /** The command that starts it. */
  readonly program: string[];
}

/** Builds the binary before the tests of a file, as users run it. Each file calls it once. */
export function buildBinary(): BuiltBinary {
  const folder = mkdtempSync(join(tmpdir(), "kilde-binary-"));
  beforeAll(async () => {
    const child = Bun.spawn([process.execPath, "src/build/build.ts", "--binary", "--outdir", folder], {
      cwd: ROOT,
      stdout: "ignore",
      stderr: "inherit",
    });
    expect(await child.exited).toBe(0);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, program: [join(folder, "kilde")] };
}
