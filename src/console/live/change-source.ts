import { createClient } from "../../client/client.ts";
import type { StoreChanges } from "../../client/store-types.ts";

export interface FollowChangesOptions {
  readonly signal: AbortSignal;
  /** Called for each connection: changes between connections may have been missed. */
  readonly onOpen: () => void;
  /** Called when the connection is lost, before another attempt. */
  readonly onLost: () => void;
}

/** Follows the changes of a store. Rejects with an error that another attempt would not change. */
export type ChangeSource = (options: FollowChangesOptions) => AsyncIterable<StoreChanges>;

/** The changes that the server at an address reports (`GET /changes`). */
export function changeSourceOf(url: string): ChangeSource {
  return ({ signal, onOpen, onLost }) => {
    // A client of its own: attempts of other requests do not concern this connection.
    const client = createClient({ url, onRetry: onLost });
    return client.changes({ signal, onOpen });
  };
}
