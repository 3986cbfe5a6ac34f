import { readObject } from "../client/parse-answer.ts";
import type { FeedState } from "../feeds/lifecycle/status.ts";
import type { Server } from "./server.ts";

/** A version of a feed in the server's catalog. */
export interface FeedEntry extends FeedState {
  readonly feed: string;
  readonly version: number;
  readonly draft: boolean;
  readonly access: "granted" | "public";
  readonly deprecated: string | null;
  readonly sunset: string | null;
}

export function feedRequestPath(feed: string, version: number): string {
  return `/feeds/${encodeURIComponent(feed)}/v${version}`;
}

/** Changes a version of a feed, and returns its new state. */
export function changeFeed(server: Server, method: "POST" | "DELETE", path: string): Promise<FeedEntry> {
  return server.request(path, { method }, readObject<FeedEntry>);
}
