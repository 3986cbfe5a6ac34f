import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

import { buildBinary, targetOf, TARGETS, thisMachine } from "./binary.ts";
import { buildLibrary } from "./build-library.ts";

/**
 * Builds the binary (`dist/kilde`), and the library for npm (`dist/*.js`, `dist/cjs`, `dist/types`).
 *
 * --all: a binary for every target, beside that of this machine; --target <platform>, several times: those binaries alone
 * (`dist/kilde-<platform>`); --outdir <folder>; --binary or --library: only that one.
 */

const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    target: { type: "string", multiple: true, default: [] },
    outdir: { type: "string", default: join(import.meta.dir, "../../dist") },
    binary: { type: "boolean", default: false },
    library: { type: "boolean", default: false },
  },
});
const outdir = join(process.cwd(), relative(process.cwd(), values.outdir));
mkdirSync(outdir, { recursive: true });

const named = values.target.map(targetOf);
if (!values.library) {
  if (named.length === 0) await buildBinary(thisMachine(), join(outdir, "kilde"));
  for (const target of values.all ? TARGETS : named) {
    await buildBinary(target, join(outdir, `kilde-${target.platform}`));
  }
}
if (!values.binary && named.length === 0) await buildLibrary(outdir);
