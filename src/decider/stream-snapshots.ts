import type { Client } from "../client/index.ts";
import { KildeError, type ProblemCode } from "../core/errors.ts";
import type { Snapshot, SnapshotKey, SnapshotStore } from "./snapshot.ts";

const SNAPSHOT_TYPE = "SnapshotTaken";

export type SnapshotStreams = Pick<Client, "append" | "read" | "truncate" | "erase">;

/** The stream that has the snapshots of another: `snapshots/account/v1/account-81`. */
export function snapshotStream({ name, schemaVersion, stream }: SnapshotKey): string {
  return `snapshots/${name}/v${schemaVersion}/${stream}`;
}

function isProblem(error: unknown, ...codes: readonly ProblemCode[]): boolean {
  return error instanceof KildeError && codes.includes(error.code);
}

interface Last {
  /** Version of the stream that has the snapshots. */
  readonly at: number;
  readonly snapshot: Snapshot | null;
}

async function lastOf(streams: SnapshotStreams, stream: string, signal?: AbortSignal): Promise<Last> {
  const options = {
    stream,
    direction: "backwards",
    limit: 1,
    ...(signal === undefined ? {} : { signal }),
  } as const;
  try {
    for await (const { version, type, data } of streams.read<Snapshot>(options)) {
      return { at: version, snapshot: type === SNAPSHOT_TYPE ? data : null };
    }
  } catch (error) {
    if (!isProblem(error, "stream-not-found")) throw error;
  }
  return { at: 0, snapshot: null };
}

/**
 * Keeps snapshots in the event store itself, on a server or in this process: each stream has another beside it,
 * `snapshots/{name}/v{schemaVersion}/{stream}`, that holds the latest one and is truncated behind it. They go with its
 * backups, and need no other database. Feeds and readers that ask for types or stream prefixes do not see them.
 */
export function streamSnapshots(streams: SnapshotStreams): SnapshotStore {
  return {
    async load(key, signal) {
      return (await lastOf(streams, snapshotStream(key), signal)).snapshot;
    },
    async save(key, snapshot) {
      const stream = snapshotStream(key);
      const last = await lastOf(streams, stream);
      if (last.snapshot !== null && last.snapshot.version >= snapshot.version) return;
      try {
        const event = { type: SNAPSHOT_TYPE, data: snapshot };
        const { version } = await streams.append(stream, event, { expectedVersion: last.at });
        await streams.truncate(stream, version);
      } catch (error) {
        // Another process was faster; its snapshot is as good.
        if (!isProblem(error, "version-conflict", "stream-erased")) throw error;
      }
    },
    async remove(key) {
      const stream = snapshotStream(key);
      const { snapshot } = await lastOf(streams, stream);
      if (snapshot !== null)
        await streams.erase(stream, `The stream ${JSON.stringify(key.stream)} was erased`);
    },
  };
}
