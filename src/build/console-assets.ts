import { rmSync } from "node:fs";
import { join } from "node:path";

import { bundleConsole } from "../console/site/bundle-console.ts";

/** Where the platform serves a file without the worker, it adds these headers. */
const HEADERS = `/console/*
  Cache-Control: public, max-age=31536000, immutable
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer
/console/entry.json
  ! Cache-Control
  Cache-Control: no-cache
`;

/** Writes the console into a folder that a worker has as its static assets. Empties the folder before. */
export async function writeConsoleAssets(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const { entry, files } = await bundleConsole();
  for (const [name, { content }] of files) await Bun.write(join(folder, "console", name), content);
  await Bun.write(join(folder, "console/entry.json"), JSON.stringify(entry));
  await Bun.write(join(folder, "_headers"), HEADERS);
}
