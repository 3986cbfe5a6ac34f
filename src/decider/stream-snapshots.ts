import type { Client } from "../client/index.ts";
import { ERASED_TYPE } from "../core/event.ts";
import { KildeError, type ProblemCode } from "../core/errors.ts";
import { SNAPSHOT_TYPE, snapshotStream } from "../core/snapshot-streams.ts";
import type { Snapshot, SnapshotKey, SnapshotStore } from "./snapshot.ts";

export type SnapshotStreams = Pick<Client, "append" | "read" | "truncate" | "erase">;

function isProblem(error: unknown, ...codes: readonly ProblemCode[]): boolean {
  return error instanceof KildeError && codes.includes(error.code);
}

interface Last {
  /** Version of the snapshot stream. */
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
    for await (const { version, type, data, logIdentity } of streams.read<Snapshot>(options)) {
      if (type !== SNAPSHOT_TYPE) return { at: version, snapshot: null };
      // A snapshot is in the same log as its stream, so that a restore restores both.
      return { at: version, snapshot: logIdentity === undefined ? data : { ...data, logIdentity } };
    }
  } catch (error) {
    if (!isProblem(error, "stream-not-found")) throw error;
  }
  return { at: 0, snapshot: null };
}

function erasedReason({ stream }: SnapshotKey): string {
  return `The stream ${JSON.stringify(stream)} was erased`;
}

/** Whether the events up to a version of a stream were erased. */
async function isErasedBeyond(streams: SnapshotStreams, stream: string, version: number): Promise<boolean> {
  try {
    for await (const first of streams.read({ stream, limit: 1 })) {
      return first.type === ERASED_TYPE && first.version > version;
    }
  } catch (error) {
    if (!isProblem(error, "stream-not-found")) throw error;
  }
  return false;
}

/**
 * Keeps snapshots in the event store itself, on a server or in this process: each stream has a snapshot stream,
 * `snapshots/{name}/v{schemaVersion}/{stream}`, which holds the latest snapshot and is truncated behind it. Backups
 * include them, and they need no other database. Feeds and readers that select types or stream prefixes do not get
 * them.
 *
 * @example
 * ```ts
 * import { createClient } from "kilde/client";
 * import { createCommandHandler, streamSnapshots } from "kilde/decider";
 *
 * const store = createClient({ url: "http://127.0.0.1:4000" });
 * const handler = createCommandHandler({ store, snapshots: streamSnapshots(store) });
 * ```
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
        const { version: of, state } = snapshot;
        const event = { type: SNAPSHOT_TYPE, data: { version: of, state } };
        const { version } = await streams.append(stream, event, { expectedVersion: last.at });
        await streams.truncate(stream, version);
        // An erasure erases existing snapshots; this one may have been stored later.
        if (await isErasedBeyond(streams, key.stream, snapshot.version))
          await streams.erase(stream, erasedReason(key));
      } catch (error) {
        // Another process stored a snapshot first, which is as good.
        if (!isProblem(error, "version-conflict", "stream-erased")) throw error;
      }
    },
    async remove(key) {
      const stream = snapshotStream(key);
      const { snapshot } = await lastOf(streams, stream);
      if (snapshot === null) return;
      try {
        await streams.erase(stream, erasedReason(key));
      } catch (error) {
        // The stream was erased first, along with its snapshots.
        if (!isProblem(error, "stream-erased")) throw error;
      }
    },
  };
}
