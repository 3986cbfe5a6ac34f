import { KildeError } from "../../core/errors.ts";
import type { ConsumerInfo, FeedVersion } from "../../client/types.ts";
import { type Resource, useResource } from "../data/use-resource.ts";
import { CONSUMERS_TOPIC, EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";

/** Consumers that a list shows; the view of consumers has all. */
export const SHOWN_CONSUMERS = 20;

/**
 * The first consumers of a feed, or of the event log, and one more if there are more than a list shows; null: the sender may
 * not see them.
 */
export function useConsumers(feed: FeedVersion | undefined): Resource<readonly ConsumerInfo[] | null> {
  const { client } = useConsole();
  const log = feed === undefined ? EVENTS_TOPIC : `/feeds/${feed}`;
  return useResource(
    `consumers ${log}`,
    async (): Promise<readonly ConsumerInfo[] | null> => {
      const consumers: ConsumerInfo[] = [];
      try {
        for await (const consumer of client.consumers(feed)) {
          consumers.push(consumer);
          if (consumers.length > SHOWN_CONSUMERS) break;
        }
      } catch (failure) {
        if (failure instanceof KildeError && failure.code === "forbidden") return null;
        throw failure;
      }
      return consumers;
    },
    [CONSUMERS_TOPIC, log],
  );
}
