/*
 * Where deciders keep snapshots in the event store: beside each stream, in another. The log knows these names, because
 * a snapshot has what its stream had: erasing the stream erases its snapshots.
 */

/** Type of the events that hold a snapshot. */
export const SNAPSHOT_TYPE = "SnapshotTaken";

/** Names of all streams with snapshots begin with this. */
export const SNAPSHOTS_PREFIX = "snapshots/";

/** What comes before the name of the stream: `snapshots/account/v1/`. */
const FOLDER = /^snapshots\/.+?\/v\d+\//s;

/** Policies whose name contains a part that looks like a version: the name of a snapshot stream would be ambiguous. */
const AMBIGUOUS_NAME = /\/v\d+(?:\/|$)/;

/** Whether a policy may have this name. */
export function isSnapshotName(name: string): boolean {
  return name !== "" && !AMBIGUOUS_NAME.test(`/${name}`);
}

/** What a snapshot is of. */
export interface SnapshotPlace {
  readonly name: string;
  readonly schemaVersion: number;
  readonly stream: string;
}

/** The stream that has the snapshots of another: `snapshots/account/v1/account-81`. */
export function snapshotStream({ name, schemaVersion, stream }: SnapshotPlace): string {
  return `${SNAPSHOTS_PREFIX}${name}/v${schemaVersion}/${stream}`;
}

/** The part of a name of a stream with snapshots that many streams share; null if it is another stream. */
export function snapshotFolder(stream: string): string | null {
  return FOLDER.exec(stream)?.[0] ?? null;
}
