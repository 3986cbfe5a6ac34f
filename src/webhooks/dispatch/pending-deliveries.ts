import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import { createBatches } from "./batches.ts";
import { createDoorbell } from "./doorbell.ts";
import { include, type Lane, type Reread } from "./lane.ts";
import type { DeliveryEvent } from "./source.ts";
import { createLaneDeliveries, createSuspects } from "./lane-deliveries.ts";
import { createLanes, type Lanes, type TurnKind } from "./lanes.ts";
import type { LeftBehind } from "./left-behind.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";
import { createEventReader } from "./event-reader.ts";
import { createSourceReader, type SourceReader } from "./reading.ts";
import { firstUnacknowledged, hasLanes, readLanes } from "../subscriptions/record.ts";
import { createDoorbellReader } from "./doorbell-reader.ts";
import type {
  DeliveryMode,
  FrozenBatch,
  Rewind,
  StoredLane,
  SubscriptionRecord,
} from "../subscriptions/subscription.ts";

/** What of a subscription is to be stored. */
export interface ProgressSnapshot {
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[] | "all";
  /** To be called when the write is acknowledged, and never before: until then nothing of it counts as stored. */
  readonly acknowledge: () => void;
}

/** What is to be sent of a subscription, in whichever mode. */
export interface PendingDeliveries {
  readonly lanes: Lanes;
  readonly reading: SourceReader;
  /** What can be sent now of a kind. `isProbe`: of single subjects first, since a batch of several says less. */
  next(now: number, kind: TurnKind, isProbe: boolean): PreparedDelivery | null;
  isReady(now: number): boolean;
  /** The endpoint took something; see `Suspects`. */
  onSuccess(wasDown: boolean, now: number): void;
  /** A request that another dispatcher had left behind is over. */
  onOver(): void;
  /** Puts together what can be; says whether that has to be stored before it is sent. */
  compose(): boolean;
  /** Finds what is to be tried again. Gives when that is for the next; infinity: for none. */
  due(now: number): number;
  snapshot(): ProgressSnapshot;
  /**
   * Reads events at hand again, and replaces them by what is left of them: some of the log were truncated or erased. What
   * is being read meanwhile has to be looked at again.
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
  /** Called when something has to be stored before it is sent, or before what is stored fits the mode. */
  readonly onFreezing: () => void;
}

/** Characters of events that one query reads again: fewer than a libSQL server bounds its answers to. */
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
 * Opens what is stored of a subscription. What was stored in another mode is taken over: a frozen batch that is no longer
 * sent as one becomes lanes; a doorbell, which has neither, starts before the first event that was not acknowledged.
 */
export function openPendingDeliveries(
  deps: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
): Promise<PendingDeliveries> {
  const { mode } = subscription.config;
  return mode.kind === "doorbell"
    ? openDoorbellOutbox(deps, subscription)
    : openLaneOutbox(deps, subscription, mode);
}

async function openDoorbellOutbox(
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
    isElsewhere: (subject) => leftBehind.has(subject),
  });
  const reading = createDoorbellReader({ database, log, filter: config.filter }, doorbell, cursor);
  let hasRows = isOfOtherMode;
  if (hasRows) onFreezing();
  return {
    lanes: createLanes(),
    reading,
    next: (now) => doorbell.next(now),
    isReady: (now) => doorbell.isReady(now),
    onSuccess: () => {},
    onOver: () => {},
    compose: () => false,
    due: (now) => doorbell.due(now),
    snapshot: () => ({
      cursor: doorbell.rung(),
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

/** Has lanes deliver the events of a batch that is no longer sent as one. */
function unfreeze(lanes: Lanes, events: readonly DeliveryEvent[], now: number): void {
  const firsts = new Map<number, number>();
  for (const { subject, version } of events)
    firsts.set(subject, Math.min(version, firsts.get(subject) ?? version));
  for (const [subject, version] of firsts) {
    const lane = lanes.wake(subject) ?? lanes.addApart(subject, version);
    include(lane, version);
    lanes.place(lane, now);
  }
}

async function openLaneOutbox(
  { database, clock, chance, identity, leftBehind, onFreezing }: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
  mode: Exclude<DeliveryMode, { kind: "doorbell" }>,
): Promise<PendingDeliveries> {
  const { id, config, log, cursor, rewind } = subscription;
  const { filter } = config;
  const pass = createEventReader({ database, log, filter, identity });
  const lanes = createLanes();
  for await (const rows of readLanes(database, id)) lanes.restore(rows, clock.now());
  const held: Lane[] = [];
  const suspects = createSuspects(lanes, { attempts: config.attempts, chance });
  const begun = await pass.readPositions(subscription.batch?.positions ?? []);
  const release = () => {
    for (const lane of held.splice(0)) lanes.place(lane, clock.now());
  };
  const batches =
    mode.kind === "batch"
      ? createBatches(lanes, {
          subscription: id,
          suspects,
          isElsewhere: (subject) => leftBehind.has(subject),
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
  const parcels = createLaneDeliveries(lanes, suspects, {
    subscription: id,
    attempts: config.attempts,
    chance,
    mode,
    isElsewhere: (subject) => batches?.has(subject) === true || leftBehind.has(subject),
    onHeld: (lane) => held.push(lane),
    onFreezing,
  });
  const reading = createSourceReader(
    { database, log, filter, pass, lanes, batches, now: () => clock.now() },
    { cursor, rewind },
  );

  const reread = async () => {
    const atHand = [...(batches?.held() ?? []), ...lanes.pending()];
    if (atHand.length === 0) return;
    const positions = new Set(atHand.map(({ position }) => position));
    const found = new Map<number, DeliveryEvent>();
    for (const some of portions(atHand)) {
      for (const event of await pass.readPositions(some)) found.set(event.position, event);
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
    reading,
    next(now, kind, isProbe) {
      if (batches === null || kind === "retry") return parcels.next(now, kind);
      return isProbe
        ? (parcels.next(now, kind) ?? batches.next(now))
        : (batches.next(now) ?? parcels.next(now, kind));
    },
    isReady: () => lanes.waiting("fresh") + lanes.waiting("retry") > 0 || batches?.isReady() === true,
    onSuccess: (wasDown, now) => suspects.onSuccess(wasDown, now),
    onOver: release,
    compose: () => batches?.compose() === true,
    due: (now) => Math.min(lanes.due(now), batches?.overdueAt(now) ?? Number.POSITIVE_INFINITY),
    snapshot() {
      const lowWater = lanes.lowWater(reading.frontier());
      const rows = lanes.rows(lowWater);
      const waiting = batches?.firstWaiting() ?? null;
      const batch = batches?.frozen() ?? null;
      return {
        cursor: waiting === null ? lowWater : Math.min(lowWater, waiting - 1),
        rewind: reading.rewind(),
        batch,
        upserts: rows.upserts,
        deletes: rows.deletes,
        acknowledge() {
          if (batch !== null) batches?.stored(batch);
          rows.acknowledge(clock.now());
        },
      };
    },
  };
}
