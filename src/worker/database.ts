import { createClient } from "@libsql/client/web";

import type { Database } from "../log/database.ts";
import type { DatabaseLocation } from "../log/open.ts";
import { remoteDatabase } from "../log/remote.ts";
import type { Calls } from "./calls.ts";
import type { Turns } from "./turns.ts";

/** A database for one invocation: its calls are counted, and its writes take turns with those of others. */
export function openWorkerDatabase(
  { url, authToken }: DatabaseLocation,
  calls: Calls,
  turns: Turns,
  fetch: (request: Request) => Promise<Response>,
): Database {
  const remote = remoteDatabase(() =>
    Promise.resolve(
      createClient({
        // Not over a socket, which would have to outlive the request.
        url: url.replace(/^libsql:/, "https:"),
        ...(authToken === undefined ? {} : { authToken }),
        fetch(request: Request) {
          calls.spend();
          return fetch(request);
        },
      }),
    ),
  );
  return {
    ...remote,
    async write(statements) {
      const endTurn = await turns.take();
      try {
        return await remote.write(statements);
      } finally {
        endTurn();
      }
    },
  };
}
