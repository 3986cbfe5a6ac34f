/**
 * Names of the streams that hold snapshots of deciders: one beside each stream. The log recognizes these names,
 * because erasing a stream must erase its snapshots.
 */

/** Type of an event that holds a snapshot. */
export const SNAPSHOT_TYPE = "SnapshotTaken";

/** Prefix of the names of all snapshot streams. */
export const SNAPSHOTS_PREFIX = "snapshots/";

/** Matches the part before the name of the stream: `snapshots/account/v1/`. */
const FOLDER = /^snapshots\/.+?\/v\d+\//s;

/**
 * Matches names of deciders with a part that looks like a version: the name of a snapshot stream would be ambiguous.
 */
const AMBIGUOUS_NAME = /\/v\d+(?:\/|$)/;

/** Whether a name is valid for the snapshots of a decider. */
export function isSnapshotName(name: string): boolean {
  return name !== "" && !AMBIGUOUS_NAME.test(`/${name}`);
}

/** The decider and stream of a snapshot. */
export interface SnapshotPlace {
  readonly name: string;
  readonly schemaVersion: number;
  readonly stream: string;
}

/**
 * The name of the stream that holds the snapshots of a stream.
 *
 * @example
 * ```ts
 * import { snapshotStream } from "kilde/decider";
 *
 * snapshotStream({ name: "account", schemaVersion: 1, stream: "account-81" }); // "snapshots/account/v1/account-81"
 * ```
 */
export function snapshotStream({ name, schemaVersion, stream }: SnapshotPlace): string {
  return `${SNAPSHOTS_PREFIX}${name}/v${schemaVersion}/${stream}`;
}

/** The part of a snapshot stream's name that many streams share; null for any other stream. */
export function snapshotFolder(stream: string): string | null {
  return FOLDER.exec(stream)?.[0] ?? null;
}
