import { faultOf, withoutUndefinedMembers } from "../core/json-value.ts";
import { isSnapshotName, type SnapshotPlace } from "../core/snapshot-streams.ts";
import { jsonPointer } from "../core/json-pointer.ts";

/** How the states of a decider are kept as snapshots. */
export interface SnapshotPolicy<State> {
  /**
   * What the states are of, `"account"`; the same for all streams of the decider, and for no other decider. No part of
   * it between slashes may look like a version (`v1`).
   */
  readonly name: string;
  /**
   * Raise it whenever `evolve`, `initial` or the shape of the state changes: snapshots of other versions are as if
   * they were not there, so that old and new programs run side by side.
   */
  readonly schemaVersion: number;
  /** A snapshot is stored after so many events. Default 1,000. */
  readonly every?: number;
  /** The state as JSON can carry it, and back; absent: it is a JSON value already. */
  readonly encode?: (state: State) => unknown;
  readonly decode?: (stored: unknown) => State;
}

/** What a snapshot is of. */
export type SnapshotKey = SnapshotPlace;

/** The state of a stream as of a version, as a JSON value. */
export interface Snapshot {
  readonly version: number;
  readonly state: unknown;
  /** Identity of the event log that the state was folded from. Without it a restore of the server goes unnoticed. */
  readonly logIdentity?: string;
}

/**
 * Where snapshots are. They are a shortcut and never the truth: one that is lost, or older than another, costs time,
 * unless the stream was truncated behind it.
 */
export interface SnapshotStore {
  /** The latest snapshot; null if there is none. */
  load(key: SnapshotKey, signal?: AbortSignal): Promise<Snapshot | null>;
  /** Keeps a snapshot instead of the one before. Keeps a later one of the same `logIdentity`, if there is one. */
  save(key: SnapshotKey, snapshot: Snapshot): Promise<void>;
  /** Forgets everything that was kept under the key; called when the stream is found to be erased. */
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

/** Throws a TypeError for a state that would not come back as it is: what was folded on it would be wrong. */
export function encodeState<State>({ encode, name }: SnapshotPolicy<State>, state: State): unknown {
  // A member that is undefined reads the same as one that is not there.
  const encoded = withoutUndefinedMembers(encode === undefined ? state : encode(state));
  const fault = faultOf(encoded);
  if (fault === null) return encoded;
  throw new TypeError(
    `The state of ${name} is no JSON value: ${jsonPointer(fault.path) || "it"} ${fault.detail}. Give the snapshot \`encode\` and \`decode\``,
  );
}

export function decodeState<State>({ decode }: SnapshotPolicy<State>, stored: unknown): State {
  // Without `decode` the state is what JSON gives back, and the schema version says that it is of this shape.
  return decode === undefined ? (stored as State) : decode(stored);
}
