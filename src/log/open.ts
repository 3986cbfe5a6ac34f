import { createClient } from "@libsql/client";

import type { Database } from "./database.ts";
import { openEmbedded } from "./embedded.ts";
import { remoteDatabase } from "./remote.ts";

export interface DatabaseLocation {
  /** `file:path`, `:memory:`, or the `http(s)://` or `libsql://` address of a libSQL server. */
  readonly url: string;
  readonly authToken?: string | undefined;
}

/** The path of an embedded database's file; null for one in memory or on a server. */
export function filePathOf(url: string): string | null {
  if (!url.startsWith("file:")) return null;
  return decodeURIComponent(url.slice("file:".length).replace(/^\/\/(?=\/)/, ""));
}

/** Opens a database by its URL alone. Fails when it cannot be used at all: no such folder, not a database. */
export function openDatabase({ url, authToken }: DatabaseLocation): Database {
  const path = url === ":memory:" ? url : filePathOf(url);
  if (path !== null) return openEmbedded(path);
  return remoteDatabase(createClient({ url, ...(authToken === undefined ? {} : { authToken }) }));
}
