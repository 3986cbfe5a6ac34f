import { plugin } from "bun";
import * as zod from "zod";

import * as kilde from "../index.ts";

/**
 * Serves the imports of `kilde.config.ts`, `kilde` and `zod`, from this program, so that nothing needs to be installed
 * beside the binary, and its schemas use the same zod. Call it before the file is imported, in every thread that
 * imports it.
 */
export function serveHostModules(): void {
  plugin({
    name: "kilde-host-modules",
    setup(build) {
      build.module("kilde", () => ({ exports: { ...kilde }, loader: "object" }));
      build.module("zod", () => ({ exports: { ...zod, default: zod }, loader: "object" }));
    },
  });
}
