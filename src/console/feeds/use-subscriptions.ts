import { KildeError } from "../../core/errors.ts";
import type { Subscription } from "../../client/subscription-types.ts";
import { type ListPage, takePage } from "../data/take-page.ts";
import { type Resource, useResource } from "../data/use-resource.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";

/** Subscriptions that a list of readers shows; the view of webhooks has all. */
const SHOWN = 100;

/** The first subscriptions of a log, as they are now. Null: the sender may not see them. */
export function useSubscriptions(log: string): Resource<ListPage<Subscription> | null> {
  const { client } = useConsole();
  return useResource(
    log,
    async (signal) => {
      try {
        const list = client.subscriptions.list({ source: log, pageSize: SHOWN + 1, signal });
        return await takePage(list, SHOWN);
      } catch (error) {
        if (error instanceof KildeError && error.code === "forbidden") return null;
        throw error;
      }
    },
    [SUBSCRIPTIONS_TOPIC],
    { restMs: 2_000 },
  );
}
