import { createClient } from "@libsql/client/web";

import type { Database } from "../../storage/database.ts";
import type { DatabaseLocation } from "../../storage/open.ts";
import { remoteDatabase, remoteReplica } from "../../storage/libsql-server.ts";
import type { ReplicaOptions } from "../../storage/replica.ts";
import type { Calls } from "./call-budget.ts";

type Fetch = (request: Request) => Promise<Response>;

function connect({ url, authToken }: DatabaseLocation, calls: Calls, fetch: Fetch) {
  const client = createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    fetch(request: Request) {
      calls.spend();
      return fetch(request);
    },
  });
  return Promise.resolve(client);
}

/** Opens a database for one invocation, which counts its calls. */
export function openWorkerDatabase(location: DatabaseLocation, calls: Calls, fetch: Fetch): Database {
  return remoteDatabase(() => connect(location, calls, fetch));
}

/** Opens a replica for one invocation, whose calls count with those of the database. */
export function openWorkerReplica(
  location: DatabaseLocation,
  options: ReplicaOptions,
  calls: Calls,
  fetch: Fetch,
): Database {
  return remoteReplica(() => connect(location, calls, fetch), options);
}
