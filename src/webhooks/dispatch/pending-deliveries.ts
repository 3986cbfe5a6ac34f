import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import { createBatches } from "./batches.ts";
import { createDoorbell } from "./doorbell.ts";
import { include, type Lane, type Reread } from "./lane.ts";
import type { DeliveryEvent } from "./source.ts";
import { createLaneDeliveries, createSuspects } from "./lane-deliveries.ts";
import { createLanes, type Lanes, type AttemptKind } from "./lanes.ts";
import type { LeftBehind } from "./left-behind.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";
import { createEventReader } from "./event-reader.ts";
import { createSourceReader, type SourceReader } from "./source-reader.ts";
import { firstUnacknowledged, hasLanes, readLanes } from "../subscriptions/record.ts";
import { createDoorbellReader } from "./doorbell-reader.ts";
import type {
  DeliveryMode,
  FrozenBatch,
  Rewind,
  StoredLane,
  SubscriptionRecord,
} from "../subscriptions/subscription.ts";

/** The progress of a subscription to store. */
export interface ProgressSnapshot {
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[] | "all";
  /** Call it when the write is acknowledged, and never before: until then nothing of it counts as stored. */
  readonly acknowledge: () => void;
}

/** The pending deliveries of a subscription, in any mode. */
export interface PendingDeliveries {
  readonly lanes: Lanes;
  readonly sourceReader: SourceReader;
  /**
   * The next delivery of a kind. `isProbe`: prefers single subjects, since the outcome of a batch of several is
   * ambiguous.
   */
  next(now: number, kind: AttemptKind, isProbe: boolean): PreparedDelivery | null;
  isReady(now: number): boolean;
  /** The endpoint acknowledged a delivery; see `Suspects`. */
  onSuccess(wasDown: boolean, now: number): void;
  /** A request that an earlier dispatcher left behind has ended. */
  onOver(): void;
  /** Composes the next batch; returns whether it must be stored before it is sent. */
  compose(): boolean;
  /** Wakes deliveries whose retry is due. Returns when the next one is due; infinity: none is. */
  due(now: number): number;
  snapshot(): ProgressSnapshot;
  /**
   * Reads buffered events again, and replaces them by the remaining ones, after the log truncated or erased some. Reads
   * in flight must be checked again afterwards.
   */
  reread(): Promise<void>;
}

export interface PendingDeliveriesDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly chance: () => number;
  /** Identity of the log that is delivered. */
  readonly identity: string;
  readonly leftBehind: Pick<LeftBehind, "has">;
  /** Called when progress must be stored before the next delivery, or before the stored state fits the mode. */
  readonly onFreezing: () => void;
}

/** Characters of events that one query reads again: below the limit of a libSQL server's answers. */
const REREAD_CHARACTERS = 512 * 1024;

/** Positions of events, in portions that one query can read. */
function portions(events: readonly DeliveryEvent[]): number[][] {
  const all: number[][] = [[]];
  let characters = 0;
  for (const event of events) {
    characters += event.characters;
    if (characters > REREAD_CHARACTERS) {
      all.push([]);
      ({ characters } = event);
    }
    all.at(-1)?.push(event.position);
  }
  return all;
}

/**
 * Opens the stored state of a subscription, also of another mode: a frozen batch that is no longer sent as one becomes
 * lanes; a doorbell, which has neither, starts before the first event that is not acknowledged.
 */
export function openPendingDeliveries(
  deps: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
): Promise<PendingDeliveries> {
  const { mode } = subscription.config;
  return mode.kind === "doorbell"
    ? openDoorbellDeliveries(deps, subscription)
    : openEventDeliveries(deps, subscription, mode);
}

async function openDoorbellDeliveries(
  { database, chance, identity, leftBehind, onFreezing }: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
): Promise<PendingDeliveries> {
  const { id, config, log, batch, rewind } = subscription;
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
  const sourceReader = createDoorbellReader({ database, log, filter: config.filter }, doorbell, cursor);
  let hasRows = isOfOtherMode;
  if (hasRows) onFreezing();
  return {
    lanes: createLanes(),
    sourceReader,
    next: (now) => doorbell.next(now),
    isReady: (now) => doorbell.isReady(now),
    onSuccess: () => {},
    onOver: () => {},
    compose: () => false,
    due: (now) => doorbell.due(now),
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

async function openEventDeliveries(
  { database, clock, chance, identity, leftBehind, onFreezing }: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
  mode: Exclude<DeliveryMode, { kind: "doorbell" }>,
): Promise<PendingDeliveries> {
  const { id, config, log, cursor, rewind } = subscription;
  const { filter } = config;
  const eventReader = createEventReader({ database, log, filter, identity });
  const lanes = createLanes();
  for await (const rows of readLanes(database, id)) lanes.restore(rows, clock.now());
  const waiting: Lane[] = [];
  const suspects = createSuspects(lanes, { attempts: config.attempts, chance });
  const begun = await eventReader.readPositions(subscription.batch?.positions ?? []);
  const release = () => {
    for (const lane of waiting.splice(0)) lanes.place(lane, clock.now());
  };
  const batches =
    mode.kind === "batch"
      ? createBatches(lanes, {
          subscription: id,
          suspects,
          hasOtherRequest: (subject) => leftBehind.has(subject),
          limits: mode,
          onFreezing,
          begun,
          onDone: release,
        })
      : null;
  if (batches === null && subscription.batch !== null) {
    unfreeze(lanes, begun, clock.now());
    onFreezing();
  }
  const laneDeliveries = createLaneDeliveries(lanes, suspects, {
    subscription: id,
    attempts: config.attempts,
    chance,
    mode,
    hasOtherRequest: (subject) => batches?.has(subject) === true || leftBehind.has(subject),
    onWaiting: (lane) => waiting.push(lane),
    onFreezing,
  });
  const sourceReader = createSourceReader(
    { database, log, filter, eventReader, lanes, batches, now: () => clock.now() },
    { cursor, rewind },
  );

  const reread = async () => {
    const atHand = [...(batches?.buffered() ?? []), ...lanes.pending()];
    if (atHand.length === 0) return;
    const positions = new Set(atHand.map(({ position }) => position));
    const found = new Map<number, DeliveryEvent>();
    for (const some of portions(atHand)) {
      for (const event of await eventReader.readPositions(some)) found.set(event.position, event);
    }
    const replace: Reread = (events) =>
      events.flatMap((event) => {
        if (!positions.has(event.position)) return [event];
        const now = found.get(event.position);
        return now === undefined
          ? []
          : [now.text === event.text && now.previous === event.previous ? event : now];
      });
    lanes.replace(replace, clock.now());
    batches?.replace(replace);
  };

  return {
    lanes,
    reread,
    sourceReader,
    next(now, kind, isProbe) {
      if (batches === null || kind === "retry") return laneDeliveries.next(now, kind);
      return isProbe
        ? (laneDeliveries.next(now, kind) ?? batches.next(now))
        : (batches.next(now) ?? laneDeliveries.next(now, kind));
    },
    isReady: () => lanes.waiting("fresh") + lanes.waiting("retry") > 0 || batches?.isReady() === true,
    onSuccess: (wasDown, now) => suspects.onSuccess(wasDown, now),
    onOver: release,
    compose: () => batches?.compose() === true,
    due: (now) => Math.min(lanes.due(now), batches?.overdueAt(now) ?? Number.POSITIVE_INFINITY),
    snapshot() {
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
          rows.acknowledge(clock.now());
        },
      };
    },
  };
}
