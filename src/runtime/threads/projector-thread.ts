import { loadConfigFile } from "../../config/file.ts";
import type { Limits } from "../../core/limits.ts";
import type { AnyFeedDefinition } from "../../feeds/define/define.ts";
import type { RunEvent } from "../../feeds/project/run.ts";
import type { LogNotice } from "../../log/append/writer.ts";
import type { LogState } from "../../log/log-state.ts";
import { configuredFeeds } from "../configured-feeds.ts";
import { runProjections } from "./projections.ts";
import { runThreadProgram } from "./thread-program.ts";
import type { SharedHead } from "./shared-head.ts";
import { transferableEvent } from "./transferable-event.ts";

/*
 * The thread that projects the feeds of an embedded database. Handlers are functions, which cannot be sent to a thread,
 * so the thread loads the configuration file.
 */

export interface ProjectorOptions {
  readonly url: string;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  readonly configFile: string;
  readonly holder: string;
  /** Of the event log. */
  readonly head: SharedHead;
}

export type ProjectorReport =
  /** A batch has erased events. */
  | { readonly kind: "sweep" }
  /** A feed has published a batch. */
  | { readonly kind: "published"; readonly path: string; readonly log: LogState }
  | { readonly kind: "event"; readonly event: RunEvent };

runThreadProgram<ProjectorOptions, LogNotice, ProjectorReport>({
  // The epochs of feeds prove their plans.
  writesTogether: true,
  onSweep: (report) => report({ kind: "sweep" }),
  async open({ configFile, url: _url, ...options }, storage, report) {
    const file = await loadConfigFile("/", configFile);
    const { feeds = [] } = (file?.value ?? {}) as { readonly feeds?: readonly AnyFeedDefinition[] };
    const { registered } = await configuredFeeds(storage.database, feeds, options.limits);
    const projections = runProjections(
      {
        ...options,
        ...storage,
        onPublished: (path, log) => report({ kind: "published", path, log }),
        onEvent: (event) => report({ kind: "event", event: transferableEvent(event) }),
      },
      registered,
    );
    return { receive: (notice) => projections.notify(notice), close: () => projections.close() };
  },
});
