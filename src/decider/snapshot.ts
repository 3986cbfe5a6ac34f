import { faultOf, withoutUndefinedMembers } from "../core/json-value.ts";
import { isSnapshotName, type SnapshotPlace } from "../core/snapshot-streams.ts";
import { jsonPointer } from "../core/json-pointer.ts";

/** How snapshots of a decider's states are kept. */
export interface SnapshotPolicy<State> {
  /**
   * Name of the kind of state, such as `"account"`: the same for all streams of the decider, and for no other
   * decider. No part of it between slashes may look like a version (`v1`).
   */
  readonly name: string;
  /**
   * Increase it whenever `evolve`, `initial` or the shape of the state changes: snapshots of other versions are
   * ignored, so that old and new programs run side by side.
   */
  readonly schemaVersion: number;
  /** Number of events after which a snapshot is stored. Default: 1,000. */
  readonly every?: number;
  /** Convert the state to and from a JSON value. Default: the state is a JSON value. */
  readonly encode?: (state: State) => unknown;
  readonly decode?: (stored: unknown) => State;
}

/** The decider and stream of a snapshot. */
export type SnapshotKey = SnapshotPlace;

/** The state of a stream at a version, as a JSON value. */
export interface Snapshot {
  readonly version: number;
  readonly state: unknown;
  /** Identity of the event log that the state was folded from. Without it, a restore of the server is not detected. */
  readonly logIdentity?: string;
}

/**
 * A store of snapshots. A snapshot is a cache: a lost or outdated one costs only time, unless the stream was
 * truncated behind it.
 */
export interface SnapshotStore {
  /** Loads the latest snapshot; null if there is none. */
  load(key: SnapshotKey, signal?: AbortSignal): Promise<Snapshot | null>;
  /** Saves a snapshot in place of the one before. Keeps a later one of the same `logIdentity`, if there is one. */
  save(key: SnapshotKey, snapshot: Snapshot): Promise<void>;
  /** Removes every snapshot of the key. Called when the stream turns out to be erased. */
  remove(key: SnapshotKey): Promise<void>;
}

export function snapshotKey<State>(
  { name, schemaVersion }: SnapshotPolicy<State>,
  stream: string,
): SnapshotKey {
  if (!isSnapshotName(name)) {
    throw new TypeError(
      `The snapshot name ${JSON.stringify(name)} is empty or has a part that looks like a version`,
    );
  }
  return { name, schemaVersion, stream };
}

/**
 * Converts a state for storage. Throws a TypeError for a state that JSON would change: later states folded on it
 * would be wrong.
 */
export function encodeState<State>({ encode, name }: SnapshotPolicy<State>, state: State): unknown {
  // An undefined member equals an absent one.
  const encoded = withoutUndefinedMembers(encode === undefined ? state : encode(state));
  const fault = faultOf(encoded);
  if (fault === null) return encoded;
  throw new TypeError(
    `The state of ${name} is not a JSON value: ${jsonPointer(fault.path) || "it"} ${fault.detail}. Give the snapshot \`encode\` and \`decode\``,
  );
}

export function decodeState<State>({ decode }: SnapshotPolicy<State>, stored: unknown): State {
  // Without `decode`, the parsed JSON is the state; the schema version guarantees its shape.
  return decode === undefined ? (stored as State) : decode(stored);
}
