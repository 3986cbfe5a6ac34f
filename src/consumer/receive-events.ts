import { deliver } from "./deliver.ts";
import type { EngineParts } from "./engine-parts.ts";
import { heldEvents } from "./history.ts";
import type { ConsumerEvent } from "./types.ts";

/** Handles events that were handed in, such as by a webhook, in any order. */
export async function receiveEvents<Tx>(
  { deps, options: { transport, batchEvents }, settle }: EngineParts<Tx>,
  events: readonly ConsumerEvent[],
): Promise<void> {
  const { store, key, history } = deps;
  const { mark, identity } = await settle(events.map(({ logIdentity }) => logIdentity));
  for (let start = 0; start < events.length; start += batchEvents) {
    const batch = events.slice(start, start + batchEvents);
    await deliver(deps, batch, null);
    const held = await heldEvents(history, batch);
    if (transport === "push") mark.came(held.map(({ position }) => position));
  }
  if (transport === "push") {
    await store.transact((tx) => store.saveFeed(tx, key, { position: mark.position, identity }));
  }
}
