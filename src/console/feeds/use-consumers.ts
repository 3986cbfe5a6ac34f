import { KildeError } from "../../core/errors.ts";
import type { Client } from "../../client/client.ts";
import type { ConsumerInfo, FeedVersion } from "../../client/types.ts";
import { type Resource, useResource } from "../data/use-resource.ts";
import { type ListPage, takePage } from "../data/take-page.ts";
import { CONSUMERS_TOPIC, EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";

/** Consumers that a list shows; the view of consumers has all. */
const SHOWN = 20;

/** A log may have thousands of consumers, which read all the time. */
const REST_MS = 2_000;

/**
 * Reads consumers of a feed, or of the event log: those that need a person first, each kind in order of name. Null: the sender
 * may not see them.
 */
export async function readConsumers(
  client: Pick<Client, "consumers">,
  feed: FeedVersion | undefined,
  size = SHOWN,
): Promise<ListPage<ConsumerInfo> | null> {
  const options = { pageSize: size + 1 };
  try {
    const troubled = client.consumers(feed, { ...options, states: ["blocked", "late", "silent"] });
    const first = await takePage(troubled, size);
    if (first.hasMore) return first;
    const others = client.consumers(feed, { ...options, states: ["keeps-up"] });
    const rest = await takePage(others, size - first.entries.length);
    return { entries: [...first.entries, ...rest.entries], hasMore: rest.hasMore };
  } catch (error) {
    if (error instanceof KildeError && error.code === "forbidden") return null;
    throw error;
  }
}

/** The first consumers of a feed, or of the event log, as they are now. */
export function useConsumers(feed: FeedVersion | undefined): Resource<ListPage<ConsumerInfo> | null> {
  const { client } = useConsole();
  const log = feed === undefined ? EVENTS_TOPIC : `/feeds/${feed}`;
  return useResource(`consumers ${log}`, () => readConsumers(client, feed), [CONSUMERS_TOPIC, log], {
    restMs: REST_MS,
  });
}
