import type { Decider, DomainEvent } from "./decider.ts";
import type { Loaded } from "./load.ts";
import { encodeState, type SnapshotKey, snapshotKey, type SnapshotStore } from "./snapshot.ts";

const DEFAULT_EVERY = 1_000;

/** Stores snapshots beside the commands, which do not wait for it. */
export interface SnapshotKeeper {
  /** Begins to store a snapshot if one is due; gives what is known of the stream then. */
  keep<Command, Event extends DomainEvent, State>(
    decider: Decider<Command, Event, State>,
    stream: string,
    loaded: Loaded<State>,
  ): Loaded<State>;
  settle(): Promise<void>;
}

export function createSnapshotKeeper(
  store: SnapshotStore | null,
  onError: (error: unknown, key: SnapshotKey) => void,
): SnapshotKeeper {
  const storing = new Set<Promise<void>>();
  return {
    keep({ snapshot: policy }, stream, loaded) {
      if (store === null || policy === undefined || loaded.erased) return loaded;
      const { version, state, foldedFrom, logIdentity } = loaded;
      if (version - foldedFrom < (policy.every ?? DEFAULT_EVERY)) return loaded;
      const key = snapshotKey(policy, stream);
      const save = async () => {
        const snapshot = { version, state: encodeState(policy, state) };
        await store.save(key, logIdentity === null ? snapshot : { ...snapshot, logIdentity });
      };
      const stored = save()
        .catch((error: unknown) => onError(error, key))
        .finally(() => storing.delete(stored));
      storing.add(stored);
      // One that could not be stored is tried again after as many events.
      return { ...loaded, snapshot: version, foldedFrom: version };
    },
    async settle() {
      while (storing.size > 0) await Promise.all(storing);
    },
  };
}
