import type { ConsumerDeps } from "./deps.ts";
import type { FeedCursor } from "./store.ts";
import { createWatermark, type Watermark } from "./watermark.ts";

/** Position of a consumer in its feed. */
export interface FeedPosition {
  readonly since: number;
  readonly mark: Watermark;
  /** Identity of the feed that the positions belong to; null: unknown. */
  readonly identity: string | null;
}

/** Start of a consumer without a cursor. */
export type FeedStart = "beginning" | "now";

export function positionOf({ since, position, identity }: FeedCursor): FeedPosition {
  return { since, mark: createWatermark(position), identity };
}

/** Reads the cursor of the feed, or creates the first one. */
export async function readFeedPosition<Tx>(deps: ConsumerDeps<Tx>, from: FeedStart): Promise<FeedPosition> {
  const { store, key } = deps;
  return positionOf((await store.readFeed(key)) ?? (await firstCursor(deps, from)));
}

async function firstCursor<Tx>(
  { client, store, key, log }: ConsumerDeps<Tx>,
  from: FeedStart,
): Promise<FeedCursor> {
  const beginning = { position: 0, since: 0, reconstitution: null, identity: null };
  if (from === "beginning") {
    await store.transact((tx) => store.saveFeed(tx, key, { identity: null }));
    return beginning;
  }
  const { head, identity } = await client.history(log === null ? {} : { feed: log });
  await store.transact((tx) => store.saveFeed(tx, key, { position: head, since: head, identity }));
  return { ...beginning, position: head, since: head, identity };
}
