import type { ConsumerDeps } from "./deps.ts";
import type { FeedCursor } from "./store.ts";
import { createWatermark, type Watermark } from "./watermark.ts";

/** Where a consumer is in its feed, once that is known. */
export interface FeedPosition {
  readonly since: number;
  readonly mark: Watermark;
}

/** Where a consumer that has no cursor yet begins. */
export type Beginning = "beginning" | "now";

/** Reads the cursor of the feed, or makes the first. */
export async function readFeedPosition<Tx>(deps: ConsumerDeps<Tx>, from: Beginning): Promise<FeedPosition> {
  const { store, key } = deps;
  const kept = (await store.readFeed(key)) ?? (await firstCursor(deps, from));
  return { since: kept.since, mark: createWatermark(kept.position) };
}

async function firstCursor<Tx>(
  { client, store, key, log }: ConsumerDeps<Tx>,
  from: Beginning,
): Promise<FeedCursor> {
  const position = from === "now" ? await client.head(log ?? undefined) : 0;
  await store.transact((tx) => store.saveFeed(tx, key, { position, since: position }));
  return { position, since: position, reconstitution: null };
}
