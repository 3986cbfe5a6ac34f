import type { AppDeps } from "../deps.ts";
import type { Operation } from "../operation.ts";

/** Returns the answer to `GET /`: the paths of the API, by name. */
export function apiIndex(
  operations: readonly Operation[],
  { version, basePath, docs }: Pick<AppDeps, "version" | "basePath" | "docs">,
) {
  const links: Record<string, string> = {};
  for (const { link, path } of operations) if (link !== undefined) links[link] = basePath + path;
  if (docs !== null) links["docs"] = `${basePath}/docs`;
  return { name: "kilde", version, links };
}
