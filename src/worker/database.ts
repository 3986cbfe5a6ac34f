import { createClient } from "@libsql/client/web";

import type { Database } from "../log/database.ts";
import type { DatabaseLocation } from "../log/open.ts";
import { remoteDatabase } from "../log/remote.ts";
import type { Calls } from "./calls.ts";

/** A database for one invocation, which counts its calls. */
export function openWorkerDatabase(
  { url, authToken }: DatabaseLocation,
  calls: Calls,
  fetch: (request: Request) => Promise<Response>,
): Database {
  return remoteDatabase(() =>
    Promise.resolve(
      createClient({
        url,
        ...(authToken === undefined ? {} : { authToken }),
        fetch(request: Request) {
          calls.spend();
          return fetch(request);
        },
      }),
    ),
  );
}
