import type { StoreMeasures } from "../../core/measures.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import { hasWork } from "../../feeds/project/has-work.ts";
import type { LogNotice } from "../../log/append/writer.ts";
import { newHolderName } from "../../storage/holder-name.ts";
import type { ConnectWriter } from "../../storage/writer/writer-connections.ts";
import { type ProjectOptions, type RunningProjections, runProjections } from "./projections.ts";
import type { ProjectorOptions, ProjectorReport } from "./projector-thread.ts";
import { createSharedHead, sendingNotices } from "./shared-head.ts";
import { startWhenNeeded } from "./start-when-needed.ts";
import { startThreadHost } from "./thread-host.ts";

export interface ProjectingOptions extends Omit<ProjectOptions, "holder"> {
  readonly measures: StoreMeasures;
  readonly url: string;
  /** The file that defines the feeds; null: none, so only this thread has the definitions. */
  readonly configFile: string | null;
  /** Connects a thread to the thread that writes; null: this thread writes, and projects. */
  readonly connect: ConnectWriter | null;
  /** Whether a thread starts with its first work. */
  readonly lazy: boolean;
}

/** Interval between looks of a lazy store for work that another process left, in milliseconds. */
const LOOK_MS = 1_000;

function projectInThread(
  options: ProjectingOptions,
  configFile: string,
  connect: ConnectWriter,
): RunningProjections {
  const { url, writer, limits, pollIntervalMs, measures, onPublished, onEvent } = options;
  const head = createSharedHead();
  const thread = startThreadHost<ProjectorOptions, LogNotice, ProjectorReport>({
    name: "projecting",
    spawn: () => new Worker(new URL("./projector-thread.ts", import.meta.url).href),
    connect,
    measures,
    options: { url, limits, pollIntervalMs, configFile, holder: newHolderName(), head },
    onReport(report) {
      if (report.kind === "published") onPublished(report.path, report.log);
      else if (report.kind === "event") onEvent(report.event);
      else writer.sweep();
    },
    onFailure: (error) => onEvent({ kind: "failed", feed: "all", error }),
  });
  return { notify: sendingNotices(head, (notice) => thread.send(notice)), close: () => thread.close() };
}

const NOTHING: RunningProjections = { notify: () => {}, close: () => Promise.resolve() };

/** Projects feeds: in a thread if the database has one that writes and a file defines the feeds. */
export function startProjections(
  options: ProjectingOptions,
  registered: readonly RegisteredFeed[],
): RunningProjections {
  if (registered.length === 0) return NOTHING;
  const { database, configFile, connect, lazy, onEvent } = options;
  if (configFile === null || connect === null) {
    return runProjections({ ...options, holder: newHolderName() }, registered);
  }
  const start = () => projectInThread(options, configFile, connect);
  if (!lazy) return start();
  const projections = startWhenNeeded({
    name: "project-when-needed",
    hasWork: () => hasWork(database, registered),
    lookMs: LOOK_MS,
    start,
    onFailure: (error) => onEvent({ kind: "failed", feed: "all", error }),
  });
  return {
    notify(notice) {
      projections.start();
      projections.running()?.notify(notice);
    },
    close: () => projections.close(),
  };
}
