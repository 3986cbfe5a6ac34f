import { databaseFile } from "../core/database-url.ts";
import type { Database } from "./database.ts";
import { openEmbedded } from "./embedded.ts";
import { remoteDatabase, remoteReplica } from "./libsql-server.ts";
import type { ReplicaPatience } from "./replica.ts";

export interface DatabaseLocation {
  /** `file:path`, `:memory:`, or the `http(s)://` or `libsql://` address of a libSQL server. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** How a libSQL server is asked. Default: the runtime's own `fetch`, which waits for minutes. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Page cache of each connection to a file, in KiB. Default: 32 MiB. */
  readonly cacheKib?: number;
}

/** Loaded only here: it is memory that an embedded database has no use for. */
async function connect({ url, authToken, fetch }: DatabaseLocation) {
  const { createClient } = await import("@libsql/client");
  return createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    ...(fetch === undefined ? {} : { fetch }),
  });
}

/**
 * Opens a database by its URL alone. A file fails at once when it cannot be used: no such folder, not a database;
 * a server is spoken to when it is needed.
 */
export function openDatabase(location: DatabaseLocation): Database {
  const { url, cacheKib } = location;
  const path = url === ":memory:" ? url : databaseFile(url);
  if (path !== null) return openEmbedded(path, cacheKib);
  return remoteDatabase(() => connect(location));
}

/** Opens a replica for reading, which is a libSQL server. */
export function openReplica(location: DatabaseLocation, patience: ReplicaPatience): Database {
  return remoteReplica(() => connect(location), patience);
}
