import type { ConsoleEntry, ConsoleFiles } from "../../http/service/console.ts";
import { contentFile } from "../../http/service/static-file.ts";

/** The binding of static assets on Cloudflare, whose folder is `dist/assets` of this package. */
interface AssetsBinding {
  fetch(request: Request): Promise<Response>;
}

function isAssets(value: unknown): value is AssetsBinding {
  return typeof value === "object" && value !== null && "fetch" in value && typeof value.fetch === "function";
}

/** The binding ignores the host. */
const FOLDER = "https://assets.local/console/";

/** Returns the files of the console from the binding `ASSETS`; null: the worker has none. */
export function consoleAssets(bindings: unknown): ConsoleFiles | null {
  const assets =
    typeof bindings === "object" && bindings !== null && "ASSETS" in bindings ? bindings.ASSETS : null;
  if (!isAssets(assets)) return null;
  const load = (name: string) => assets.fetch(new Request(FOLDER + encodeURIComponent(name)));
  return {
    async entry() {
      const answer = await load("entry.json");
      if (!answer.ok) throw new Error(`The binding ASSETS answered ${answer.status} for console/entry.json`);
      return (await answer.json()) as ConsoleEntry;
    },
    async find(name) {
      const answer = await load(name);
      if (!answer.ok) return undefined;
      const mediaType = answer.headers.get("content-type") ?? "application/octet-stream";
      return contentFile(mediaType, new Uint8Array(await answer.arrayBuffer()));
    },
  };
}
