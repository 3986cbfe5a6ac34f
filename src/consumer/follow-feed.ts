import { KildeError } from "../client/index.ts";
import { deliver } from "./deliver.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { FeedPosition } from "./feed-position.ts";
import { heldEvents } from "./history.ts";
import { batches } from "./transport.ts";
import type { ConsumerEvent } from "./types.ts";

/**
 * Handles events that follow the position, all at once or in parts. False: the feed was restored, and the events no
 * longer follow.
 */
async function deliverInOrder<Tx>(
  { deps, options: { batchEvents }, progress, settle }: EngineParts<Tx>,
  events: readonly ConsumerEvent[],
): Promise<boolean> {
  const before = (await progress.prepared()).mark.position;
  const { mark, identity } = await settle(events.map(({ logIdentity }) => logIdentity));
  if (mark.position < before || (await heldEvents(deps.history, events)).length < events.length) return false;
  for (let start = 0; start < events.length; start += batchEvents) {
    const batch = events.slice(start, start + batchEvents);
    const position = batch.at(-1)?.position ?? mark.position;
    await deliver(deps, batch, { position, identity });
    mark.reach(position);
  }
  return true;
}

/** Looks up an identity that an answer calls a former one. Throws the error if the server contradicts itself. */
async function lookUp<Tx>(
  { deps: { history } }: EngineParts<Tx>,
  identity: string | null,
  error: Error,
): Promise<void> {
  if (identity === null) return;
  await history.learn(identity);
  // Happens while only some of the servers are restored: the next attempt follows after a delay.
  if (history.current === identity) throw error;
}

/** Follows the feed from a position until the signal aborts, or an answer shows a restore of the feed. */
async function followFrom<Tx>(
  parts: EngineParts<Tx>,
  { mark, identity }: FeedPosition,
  signal: AbortSignal,
): Promise<void> {
  const { deps, options, health } = parts;
  health.enter("catching-up");
  const moved = new AbortController();
  const watch = {
    onLive() {
      health.enter("live");
      health.succeed();
    },
    /** The feed was restored while it sent no events. */
    onLog(now: string) {
      // The server answers again.
      health.succeed();
      if (identity !== null && now !== identity) moved.abort();
    },
  };
  const until = AbortSignal.any([signal, moved.signal]);
  const cursor = { position: mark.position, identity };
  for await (const events of batches(deps, cursor, options.transport, watch, until)) {
    health.succeed();
    if (!(await deliverInOrder(parts, events))) return;
  }
  if (moved.signal.aborted && !signal.aborted) {
    await lookUp(parts, identity, new Error("Answers of the server name different histories of the feed"));
  }
}

/** Follows the feed until the signal aborts, also across restores of the server. */
export async function followFeed<Tx>(parts: EngineParts<Tx>, signal: AbortSignal): Promise<void> {
  const { options, progress, settle } = parts;
  do {
    const from = await progress.prepared();
    try {
      await followFrom(parts, from, signal);
    } catch (error) {
      if (!(error instanceof KildeError) || error.code !== "log-restored") throw error;
      await lookUp(parts, from.identity, error);
    }
    if (!signal.aborted) await settle([]);
  } while (!signal.aborted && options.transport !== "push");
}
