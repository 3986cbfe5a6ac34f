import { createDoorbell } from "./doorbell.ts";
import { createDoorbellReader } from "./doorbell-reader.ts";
import { createLanes } from "./lanes.ts";
import type { ModeDeliveries, PendingDeliveriesDeps } from "./pending-deliveries.ts";
import { deliveredFilter } from "../subscriptions/delivered-filter.ts";
import { firstUnacknowledged, hasLanes } from "../subscriptions/record.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";

/** Opens a subscription of doorbells. It needs no lanes: those of another mode end with the first write. */
export async function openDoorbellDeliveries(
  { database, chance, identity, leftBehind, onFreezing }: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
): Promise<ModeDeliveries> {
  const { id, log, batch, rewind } = subscription;
  const isOfOtherMode = batch !== null || rewind !== null || (await hasLanes(database, id));
  const cursor = isOfOtherMode ? await firstUnacknowledged(database, subscription) : subscription.cursor;
  const doorbell = createDoorbell({
    subscription: id,
    source: log.name,
    identity,
    cursor,
    chance,
    hasOtherRequest: (subject) => leftBehind.has(subject),
  });
  const selection = { database, log, filter: deliveredFilter(subscription) };
  const sourceReader = createDoorbellReader(selection, doorbell, cursor);
  let hasRows = isOfOtherMode;
  if (hasRows) onFreezing();
  return {
    lanes: createLanes(),
    sourceReader,
    blocked: new Set(),
    next: (now) => doorbell.next(now),
    isReady: (now) => doorbell.isReady(now),
    onSuccess: () => {},
    onLeftBehindEnded: () => {},
    compose: () => false,
    wakeDue: (now) => doorbell.due(now),
    snapshot: () => ({
      cursor: doorbell.notifiedUpTo(),
      rewind: null,
      batch: null,
      upserts: [],
      deletes: hasRows ? "all" : [],
      acknowledge() {
        hasRows = false;
      },
    }),
    reread: () => Promise.resolve(),
  };
}
