import { readObject } from "./parse-answer.ts";
import { type RequestDeps, send } from "./request.ts";

/** Name and version of a server, and the paths of its API. */
export interface ServerInfo {
  readonly name: "kilde";
  readonly version: string;
  /** Name of its environment, such as `production`; absent or null: it has none. */
  readonly environment?: string | null;
  /** Paths by name. */
  readonly links: Readonly<Record<string, string>>;
}

/** Fetches the index of the API. */
export function readAbout(deps: RequestDeps): Promise<ServerInfo> {
  return send(deps, "/", { headers: { accept: "application/json" } }, readObject<ServerInfo>);
}
