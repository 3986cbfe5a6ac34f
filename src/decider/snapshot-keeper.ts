import type { Decider, DomainEvent } from "./decider.ts";
import type { Loaded } from "./load.ts";
import { encodeState, type SnapshotKey, snapshotKey, type SnapshotStore } from "./snapshot.ts";

const DEFAULT_EVERY = 1_000;

/** Stores snapshots beside the commands, which do not wait for it. */
export interface SnapshotKeeper {
  /** The store; null: none. Removes a snapshot only after saves of it that are under way, which would bring it back. */
  readonly store: SnapshotStore | null;
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
  /** Saves that are under way, and the text of what each is of. */
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
      // One that could not be stored is tried again after as many events.
      return { ...loaded, snapshot: version, foldedFrom: version };
    },
    async settle() {
      while (storing.size > 0) await Promise.all(storing.keys());
    },
  };
}
