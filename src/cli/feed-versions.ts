import type { Server } from "./server.ts";

/** A version of a feed in the server's catalogue. */
export interface FeedEntry {
  readonly feed: string;
  readonly version: number;
  readonly draft: boolean;
  readonly status: string;
  readonly head: number;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly progress: {
    readonly done: number;
    readonly total: number;
    readonly eventsPerSecond: number;
    readonly secondsLeft: number | null;
  } | null;
  readonly failure: {
    readonly position: number;
    readonly subject: string;
    readonly message: string;
    readonly since: string;
  } | null;
  readonly deprecated: string | null;
  readonly sunset: string | null;
}

export function feedPath(feed: string, version: number): string {
  return `/feeds/${encodeURIComponent(feed)}/v${version}`;
}

/** Does something to a version of a feed, and gives how it is then. */
export function changeFeed(server: Server, method: "POST" | "DELETE", path: string): Promise<FeedEntry> {
  return server.request(path, { method }, (response) => response.json() as Promise<FeedEntry>);
}
