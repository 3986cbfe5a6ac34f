import { type Batches, createBatches } from "./batches.ts";
import { rereadBuffered } from "./buffered-events.ts";
import { createEventReader } from "./event-reader.ts";
import { include, type Lane } from "./lane.ts";
import { createLaneDeliveries, createSuspects } from "./lane-deliveries.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import type { DeliverySnapshot, ModeDeliveries, PendingDeliveriesDeps } from "./pending-deliveries.ts";
import type { DeliveryEvent } from "./source.ts";
import { createSourceReader, type SourceReader } from "./source-reader.ts";
import { deliveredFilter } from "../subscriptions/delivered-filter.ts";
import { readLanes } from "../subscriptions/record.ts";
import type { DeliveryMode, SubscriptionRecord } from "../subscriptions/subscription.ts";

/** Makes lanes deliver the events of a batch that is no longer sent as one. */
function unfreeze(lanes: Lanes, events: readonly DeliveryEvent[], now: number): void {
  const firsts = new Map<number, number>();
  for (const { subject, version } of events)
    firsts.set(subject, Math.min(version, firsts.get(subject) ?? version));
  for (const [subject, version] of firsts) {
    const lane = lanes.wake(subject) ?? lanes.addDetached(subject, version);
    include(lane, version);
    lanes.place(lane, now);
  }
}

/** The parts of a subscription that delivers events. `batches`: null unless the mode is batches. */
interface EventParts {
  readonly lanes: Lanes;
  readonly batches: Batches | null;
  readonly sourceReader: SourceReader;
}

function snapshotOf({ lanes, batches, sourceReader }: EventParts, now: () => number): DeliverySnapshot {
  const lowWater = lanes.lowWater(sourceReader.frontier());
  const rows = lanes.rows(lowWater);
  const firstWaiting = batches?.firstWaiting() ?? null;
  const batch = batches?.frozen() ?? null;
  return {
    cursor: firstWaiting === null ? lowWater : Math.min(lowWater, firstWaiting - 1),
    rewind: sourceReader.rewind(),
    batch,
    upserts: rows.upserts,
    deletes: rows.deletes,
    acknowledge() {
      if (batch !== null) batches?.markStored(batch);
      rows.acknowledge(now());
    },
  };
}

/** Opens a subscription of events, which are sent one by one or in batches. */
export async function openEventDeliveries(
  { database, clock, chance, identity, leftBehind, onFreezing }: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
  mode: Exclude<DeliveryMode, { kind: "doorbell" }>,
): Promise<ModeDeliveries> {
  const { id, config, log, cursor, rewind, batch: frozen } = subscription;
  const { attempts } = config;
  const filter = deliveredFilter(subscription);
  const now = () => clock.now();
  const eventReader = createEventReader({ database, log, filter, identity });
  const lanes = createLanes();
  const blocked = new Set<number>();
  for await (const rows of readLanes(database, id)) {
    lanes.restore(rows, now());
    for (const row of rows) if (row.attempts > 0) blocked.add(row.subject);
  }
  /** Lanes of subjects that have a request in flight which is not theirs. */
  const waiting: Lane[] = [];
  const releaseWaiting = () => {
    for (const lane of waiting.splice(0)) lanes.place(lane, now());
  };
  const suspects = createSuspects(lanes, { attempts, chance });
  const stored = await eventReader.readPositions(frozen?.positions ?? []);
  const shared = { subscription: id, onFreezing };
  const batches =
    mode.kind === "batch"
      ? createBatches(lanes, {
          ...shared,
          suspects,
          hasOtherRequest: (subject) => leftBehind.has(subject),
          limits: mode,
          stored,
          onSettled: releaseWaiting,
        })
      : null;
  if (batches === null && frozen !== null) {
    unfreeze(lanes, stored, now());
    onFreezing();
  }
  const laneDeliveries = createLaneDeliveries(lanes, suspects, {
    ...shared,
    attempts,
    chance,
    mode,
    hasOtherRequest: (subject) => batches?.has(subject) === true || leftBehind.has(subject),
    onWaiting: (lane) => waiting.push(lane),
  });
  const readerDeps = { database, log, filter, eventReader, lanes, batches, now };
  const sourceReader = createSourceReader(readerDeps, { cursor, rewind });
  return {
    lanes,
    sourceReader,
    blocked,
    reread: () => rereadBuffered(lanes, batches, eventReader, now),
    next(at, kind, isProbe) {
      if (batches === null || kind === "retry") return laneDeliveries.next(at, kind);
      return isProbe
        ? (laneDeliveries.next(at, kind) ?? batches.next(at))
        : (batches.next(at) ?? laneDeliveries.next(at, kind));
    },
    isReady: () => lanes.queued("fresh") + lanes.queued("retry") > 0 || batches?.isReady() === true,
    onSuccess: (wasDown, at) => suspects.onSuccess(wasDown, at),
    onLeftBehindEnded: releaseWaiting,
    compose: () => batches?.compose() === true,
    wakeDue: (at) => Math.min(lanes.wakeDue(at), batches?.overdueAt(at) ?? Number.POSITIVE_INFINITY),
    snapshot: () => snapshotOf({ lanes, batches, sourceReader }, now),
  };
}
