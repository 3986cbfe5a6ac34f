import type { Decider, DomainEvent } from "./decider.ts";
import type { Loaded } from "./load.ts";
import { encodeState, type SnapshotKey, snapshotKey, type SnapshotStore } from "./snapshot.ts";

const DEFAULT_EVERY = 1_000;

/** Stores snapshots in the background, without delaying commands. */
export interface SnapshotKeeper {
  /** The store; null: none. Its `remove` waits for saves in progress, which would store the snapshot again. */
  readonly store: SnapshotStore | null;
  /** Starts to store a snapshot if one is due; returns the updated state. */
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
  /** Saves in progress, with the key of each as text. */
  const storing = new Map<Promise<void>, string>();
  const textOf = ({ name, schemaVersion, stream }: SnapshotKey) =>
    JSON.stringify([name, schemaVersion, stream]);
  const settleKey = async (key: SnapshotKey) => {
    const text = textOf(key);
    const ofKey = Array.from(storing).flatMap(([stored, of]) => (of === text ? [stored] : []));
    await Promise.all(ofKey);
  };
  return {
    store: store && {
      load: (key, signal) => store.load(key, signal),
      save: (key, snapshot) => store.save(key, snapshot),
      async remove(key) {
        await settleKey(key);
        await store.remove(key);
      },
    },
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
      storing.set(stored, textOf(key));
      // A failed save is retried after the same number of events.
      return { ...loaded, snapshot: version, foldedFrom: version };
    },
    async settle() {
      while (storing.size > 0) await Promise.all(storing.keys());
    },
  };
}
