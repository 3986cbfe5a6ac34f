import type { Client, KildeEvent } from "../client/index.ts";
import { KildeError } from "../core/errors.ts";
import { type Decider, type DomainEvent, evolveState, folded } from "./decider.ts";
import { decodeState, snapshotKey, type SnapshotStore } from "./snapshot.ts";

/** The state of a stream at a version. */
export interface Loaded<State> {
  /** 0: the stream does not exist. */
  readonly version: number;
  readonly state: State;
  /** Its last event is a tombstone. */
  readonly erased: boolean;
  /** Version of the stored snapshot; 0: none. */
  readonly snapshot: number;
  /** Version at which a new process would start to fold: that of the snapshot, or of the last tombstone, or 0. */
  readonly foldedFrom: number;
  /** Identity of the event log that it was read from; null: unknown. */
  readonly logIdentity: string | null;
}

export interface LoadDeps {
  readonly store: Pick<Client, "readPages">;
  readonly snapshots: SnapshotStore | null;
}

/** The stream and decider to load, for one command. */
export interface Loading<Command, Event extends DomainEvent, State> {
  readonly stream: string;
  readonly decider: Decider<Command, Event, State>;
  readonly signal: AbortSignal | undefined;
}

function after<Command, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
  loaded: Loaded<State>,
  event: KildeEvent,
): Loaded<State> {
  const { version, erased } = event;
  if (erased) return { ...loaded, version, state: decider.initial, erased, snapshot: 0, foldedFrom: version };
  return { ...loaded, version, state: evolveState(decider, loaded.state, folded<Event>(event)), erased };
}

/** Whether two identities are known to differ: the server was restored in between. */
function hasParted(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && one !== other;
}

/**
 * Folds the events after a loaded state. Null when the stream does not continue from there: events in between were
 * truncated, the stream no longer exists, or the server was restored and may hold other events. `upTo` is a version
 * that the stream is known to have; it saves a read.
 */
export async function catchUp<Command, Event extends DomainEvent, State>(
  { store, snapshots }: LoadDeps,
  { stream, decider, signal }: Loading<Command, Event, State>,
  from: Loaded<State>,
  upTo?: number,
): Promise<Loaded<State> | null> {
  let loaded = from;
  let { logIdentity } = from;
  const options = {
    stream,
    afterVersion: from.version,
    onLog: (identity: string) => {
      logIdentity = identity;
    },
    ...(upTo === undefined ? {} : { limit: upTo - from.version }),
    ...(signal === undefined ? {} : { signal }),
  };
  try {
    for await (const page of store.readPages(options)) {
      if (hasParted(from.logIdentity, logIdentity)) return null;
      for (const event of page) {
        // A tombstone replaces all earlier events.
        if (event.version !== loaded.version + 1 && !event.erased) return null;
        loaded = after(decider, loaded, event);
      }
    }
  } catch (error) {
    if (!(error instanceof KildeError) || error.code !== "stream-not-found") throw error;
    return from.version === 0 ? { ...from, logIdentity: null } : null;
  }
  if (hasParted(from.logIdentity, logIdentity)) return null;
  if (from.snapshot > 0 && loaded.snapshot === 0 && decider.snapshot !== undefined) {
    // Erased data must not survive in a snapshot.
    await snapshots?.remove(snapshotKey(decider.snapshot, stream));
  }
  return { ...loaded, logIdentity };
}

/**
 * Loads a stream from its snapshot, or else from its first event. Ignores a snapshot of another history of the log,
 * or of a version that the stream does not have (`currentVersion`): the server was restored.
 */
export async function load<Command, Event extends DomainEvent, State>(
  deps: LoadDeps,
  loading: Loading<Command, Event, State>,
  currentVersion = Number.POSITIVE_INFINITY,
): Promise<Loaded<State>> {
  const { stream, decider, signal } = loading;
  const { snapshot: policy, initial } = decider;
  const { snapshots } = deps;
  const unread = { erased: false, logIdentity: null };
  const beginning: Loaded<State> = { ...unread, version: 0, state: initial, snapshot: 0, foldedFrom: 0 };
  if (policy !== undefined && snapshots !== null) {
    const stored = await snapshots.load(snapshotKey(policy, stream), signal);
    if (stored !== null && stored.version <= currentVersion) {
      const { version } = stored;
      const state = decodeState(policy, stored.state);
      const { logIdentity = null } = stored;
      const from = { ...unread, version, state, snapshot: version, foldedFrom: version, logIdentity };
      const loaded = await catchUp(deps, loading, from);
      if (loaded !== null) return loaded;
    }
  }
  const loaded = await catchUp(deps, loading, beginning);
  if (loaded !== null) return loaded;
  throw new KildeError(
    "stream-truncated",
    `The stream ${JSON.stringify(stream)} was truncated, and no snapshot${policy === undefined ? "" : ` of ${policy.name}, version ${policy.schemaVersion},`} covers the missing events`,
    { stream },
  );
}
