import type { Limits } from "../../core/limits.ts";
import type { Measures } from "../../core/measures.ts";
import type { OnPublished } from "../../feeds/project/commit.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import { type RunEvent, startProjection } from "../../feeds/project/run.ts";
import { createSourceGroups } from "../../feeds/project/source-group.ts";
import type { Database } from "../../storage/database.ts";
import type { HeadWatch } from "../../log/follow/head-watch.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import { type LogReader, openLogReader } from "../../log/read/reader.ts";
import type { LogNotice } from "../../log/append/writer.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { receivingNotices, type SharedHead } from "./shared-head.ts";
import { createEndedHolders } from "../../storage/ended-holders.ts";
import { systemClock } from "../../core/system-clock.ts";

export interface ProjectOptions {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly measures: Measures;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  /** Looks up the heads of several logs together. Default: each reader looks up its own. */
  readonly heads?: HeadWatch;
  /** Name of this process among those on the database. */
  readonly holder: string;
  /** The head of the event log, if another thread appends to it. */
  readonly head?: SharedHead;
  readonly onPublished: OnPublished;
  readonly onEvent: (event: RunEvent) => void;
}

/** Projections that run in this thread. */
export interface RunningProjections {
  /** Reports changes of the event log. */
  notify(notice: LogNotice): void;
  /** Finishes the write in progress, and releases the leases. */
  close(): Promise<void>;
}

/** Projects feeds in this thread until it is closed. */
export function runProjections(
  options: ProjectOptions,
  registered: readonly RegisteredFeed[],
): RunningProjections {
  const { onPublished } = options;
  const deps = {
    ...options,
    clock: systemClock,
    chance: () => Math.random(),
    hasEnded: createEndedHolders(),
  };
  const own = openLogReader(deps, EVENT_LOG_ADDRESS);
  const eventLog = options.head === undefined ? own : receivingNotices(options.head, own);
  const readers = new Map<string, LogReader>([[EVENT_LOG_ADDRESS.name, eventLog]]);
  const readerOf = ({ source }: RegisteredFeed): LogReader => {
    const reader = readers.get(source.name) ?? openLogReader(deps, source);
    readers.set(source.name, reader);
    return reader;
  };
  const groups = createSourceGroups(deps.database, deps.clock, registered);
  const running = registered.map((feed) =>
    startProjection(
      {
        ...deps,
        group: groups.of(feed),
        source: readerOf(feed),
        onPublished(path, log) {
          readers.get(path)?.notify(log);
          onPublished(path, log);
        },
      },
      feed,
    ),
  );
  return {
    notify: (notice) => eventLog.notify(notice),
    async close() {
      await Promise.all(running.map((projection) => projection.close()));
      groups.close();
      for (const reader of readers.values()) reader.close();
    },
  };
}
