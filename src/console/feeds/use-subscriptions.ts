import { KildeError } from "../../core/errors.ts";
import type { Subscription } from "../../client/subscription-types.ts";
import { useResource } from "../data/use-resource.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";

/** Subscriptions that are looked through. */
const MOST_SUBSCRIPTIONS = 1_000;

/** The subscriptions that the sender may see: none without the grant. */
export function useSubscriptions(): readonly Subscription[] {
  const { client } = useConsole();
  const { value } = useResource(
    "subscriptions",
    async (): Promise<readonly Subscription[]> => {
      const all: Subscription[] = [];
      try {
        for await (const subscription of client.subscriptions.list()) {
          all.push(subscription);
          if (all.length === MOST_SUBSCRIPTIONS) break;
        }
      } catch (error) {
        if (!(error instanceof KildeError) || error.code !== "forbidden") throw error;
      }
      return all;
    },
    [SUBSCRIPTIONS_TOPIC],
    { restMs: 2_000 },
  );
  return value ?? [];
}
