import type { EngineParts } from "./engine-parts.ts";
import { reconstitute, type ReconstituteOptions } from "./reconstitute.ts";
import type { Reconstitution } from "./reconstitution.ts";

/** Reconstitutes the consumer: visits all subjects of the feed as it is now, and handles missing events. */
export async function walkFeed<Tx>(
  { deps, options: { transport }, progress, health, settle }: EngineParts<Tx>,
  how: ReconstituteOptions,
  signal: AbortSignal,
): Promise<Reconstitution> {
  const { client, log, store, key, history } = deps;
  const before = (await progress.prepared()).mark.position;
  const readHistory = () => client.history(log === null ? {} : { feed: log });
  const first = await readHistory();
  if (first.identity !== null) history.note(first.identity);
  const { mark, identity } = await settle([]);
  let looked: number | null = first.head;
  const readHead = async () => {
    const head = looked ?? (await readHistory()).head;
    looked = null;
    return head;
  };
  const awaitedAfter = () => (!health.isStarted || transport === "push" ? null : mark.position);
  const since = () => progress.since().position;
  const handledTo = Math.min(before, mark.position);
  const walking = { ...deps, since, awaitedAfter, identity, readHead, handledTo };
  const found = await reconstitute(walking, how, signal).catch((error: unknown) => {
    health.endIfRestored(error);
    throw error;
  });
  if (transport === "push") {
    mark.reach(found.head);
    await store.transact((tx) => store.saveFeed(tx, key, { position: mark.position, identity }));
  }
  return found;
}
