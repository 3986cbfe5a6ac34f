import type { AppDeps } from "../deps.ts";
import type { Route } from "../operation.ts";

/** Returns the answer to `GET /`: the paths of the API, by name. */
export function apiIndex(
  routes: readonly Route[],
  deps: Pick<AppDeps, "version" | "environment" | "basePath" | "docs" | "consoleFiles">,
) {
  const links: Record<string, string> = {};
  for (const { link, path, isServed } of routes) {
    if (link !== undefined && isServed?.(deps) !== false) links[link] = deps.basePath + path;
  }
  return { name: "kilde", version: deps.version, environment: deps.environment, links };
}
