import { databaseFile } from "../core/database-url.ts";
import type { Database } from "./database.ts";
import { openEmbedded } from "./embedded.ts";
import { remoteDatabase, remoteReplica } from "./libsql-server.ts";
import type { ReplicaOptions } from "./replica.ts";

export interface DatabaseLocation {
  /** `file:path`, `:memory:`, or the `http(s)://` or `libsql://` address of a libSQL server. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** Sends a request to a libSQL server. Default: the runtime's `fetch`, which waits for minutes. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Page cache of each connection to a file, in KiB. Default: 32 MiB. */
  readonly cacheKib?: number;
}

/** Loaded on demand: an embedded database does not need the client's memory. */
async function connect({ url, authToken, fetch }: DatabaseLocation) {
  const { createClient } = await import("@libsql/client");
  return createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    ...(fetch === undefined ? {} : { fetch }),
  });
}

/**
 * Opens a database by its URL. An unusable file throws at once: a missing folder, or a file that is not a database. A
 * server is contacted on first use.
 */
export function openDatabase(location: DatabaseLocation): Database {
  const { url, cacheKib } = location;
  const path = url === ":memory:" ? url : databaseFile(url);
  if (path !== null) return openEmbedded(path, cacheKib);
  return remoteDatabase(() => connect(location));
}

/** Opens a replica, on a libSQL server, for reading. */
export function openReplica(location: DatabaseLocation, options: ReplicaOptions): Database {
  return remoteReplica(() => connect(location), options);
}
