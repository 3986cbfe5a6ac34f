import { toHeaderText } from "../core/header-text.ts";
import type { FeedCatalog, FeedInfo } from "./feed-types.ts";
import { readObject } from "./parse-answer.ts";
import { logPath, queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";

/** Creates the methods for feeds. */
export function createFeedCatalog(deps: RequestDeps): FeedCatalog {
  const change = (method: "POST" | "DELETE", path: string, headers: Record<string, string> = {}) =>
    send(deps, path, { method, headers }, readObject<FeedInfo>);
  return {
    list: async (signal) => {
      const init = signal === undefined ? {} : { signal };
      return (await send(deps, "/feeds", init, readObject<{ feeds: FeedInfo[] }>)).feeds;
    },
    get: (feed) => send(deps, `${logPath(feed)}/status`, {}, readObject<FeedInfo>),
    async schemas(feed) {
      const read = readObject<{ schemas: Record<string, unknown> }>;
      return (await send(deps, `${logPath(feed)}/schemas`, {}, read)).schemas;
    },
    retire(feed, { force, reason = "" } = {}) {
      const path = logPath(feed) + queryString({ force: force === true ? "true" : undefined });
      return change("DELETE", path, reason === "" ? {} : { "kilde-reason": toHeaderText(reason) });
    },
    rebuild: (feed) => change("POST", `${logPath(feed)}/rebuild`),
    resume: (feed) => change("POST", `${logPath(feed)}/resume`),
  };
}
