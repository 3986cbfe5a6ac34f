import type { FeedCatalog, FeedInfo } from "./feed-types.ts";
import { readObject } from "./parse-answer.ts";
import { logPath, queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";
import { optionsOf } from "./options.ts";
import { type ReasonOptions, reasonHeaders } from "./stated-reason.ts";

/** Creates the methods for feeds. */
export function createFeedCatalog(deps: RequestDeps): FeedCatalog {
  const change = (method: "POST" | "DELETE", path: string, options: ReasonOptions) =>
    send(deps, path, { method, headers: reasonHeaders(options) }, readObject<FeedInfo>);
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
    retire(feed, options = {}) {
      const { force, ...stated } = optionsOf("feeds.retire", options);
      const path = logPath(feed) + queryString({ force: force === true ? "true" : undefined });
      return change("DELETE", path, stated);
    },
    rebuild: (feed, options = {}) =>
      change("POST", `${logPath(feed)}/rebuild`, optionsOf("feeds.rebuild", options)),
    resume: (feed, options = {}) =>
      change("POST", `${logPath(feed)}/resume`, optionsOf("feeds.resume", options)),
  };
}
