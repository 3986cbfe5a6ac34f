import type { Clock } from "../core/clock.ts";
import type { Database } from "../log/database.ts";
import { createBatches } from "./batches.ts";
import { createDoorbell } from "./doorbell.ts";
import type { Lane, Reread } from "./lane.ts";
import type { DeliveryEvent } from "./source.ts";
import { createLaneParcels } from "./lane-parcels.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import type { Parcel } from "./parcel.ts";
import { createPass } from "./pass.ts";
import { createReading, type Reading } from "./reading.ts";
import { readLanes } from "./record.ts";
import { createRinging } from "./ringing.ts";
import type { FrozenBatch, Rewind, StoredLane, Subscription } from "./subscription.ts";

/** What of a subscription is to be stored. */
export interface Snapshot {
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[];
  /** Tells that it is stored. */
  readonly stored: () => void;
}

/** What is to be sent of a subscription, in whichever mode. */
export interface Outbox {
  readonly lanes: Lanes;
  readonly reading: Reading;
  /** What can be sent now; of what never failed, if asked. */
  next(now: number, freshOnly: boolean): Parcel | null;
  isReady(now: number): boolean;
  /** Puts together what can be; says whether that has to be stored before it is sent. */
  compose(): boolean;
  /** Finds what is to be tried again. Gives when that is for the next; infinity: for none. */
  due(now: number): number;
  snapshot(): Snapshot;
  /**
   * Reads events at hand again, and replaces them by what is left of them: some of the log were truncated or erased. What
   * is being read meanwhile has to be looked at again.
   */
  reread(): Promise<void>;
}

export interface OutboxDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly chance: () => number;
  /** Identity of the log that is delivered. */
  readonly identity: string;
  /** Told that something has to be stored before it is sent. */
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

/** Opens what is stored of a subscription. */
export async function openOutbox(
  { database, clock, chance, identity, onFreezing }: OutboxDeps,
  subscription: Subscription,
): Promise<Outbox> {
  const { id, config, log, cursor, rewind } = subscription;
  const { mode, filter } = config;
  const pass = createPass({ database, log, filter, identity });
  const lanes = createLanes(await readLanes(database, id), clock.now());
  const held: Lane[] = [];
  const retrying = { subscription: id, attempts: config.attempts, chance };
  const batches =
    mode.kind === "batch"
      ? createBatches(lanes, {
          ...retrying,
          limits: mode,
          onFreezing,
          begun: await pass.readPositions(subscription.batch?.positions ?? []),
          onDone() {
            for (const lane of held.splice(0)) lanes.place(lane, clock.now());
          },
        })
      : null;
  const doorbell =
    mode.kind === "doorbell"
      ? createDoorbell({ subscription: id, source: log.name, identity, cursor, chance })
      : null;
  const parcels = createLaneParcels(lanes, {
    ...retrying,
    mode,
    isElsewhere: (subject) => batches?.has(subject) === true,
    onHeld: (lane) => held.push(lane),
    onFreezing,
  });
  const walk = { database, log, filter };
  const reading =
    doorbell === null
      ? createReading({ ...walk, pass, lanes, batches, now: () => clock.now() }, { cursor, rewind })
      : createRinging(walk, doorbell, cursor);
  for (const lane of lanes.all.values()) lanes.place(lane, clock.now());

  const reread = async () => {
    const atHand = [
      ...(batches?.held() ?? []),
      ...Array.from(lanes.all.values(), ({ pending }) => pending).flat(),
    ];
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
    next: (now, freshOnly) => doorbell?.next(now) ?? batches?.next() ?? parcels.next(now, freshOnly),
    isReady: (now) => lanes.waiting() > 0 || batches?.isReady() === true || doorbell?.isReady(now) === true,
    compose: () => batches?.compose() === true,
    due: (now) => doorbell?.due(now) ?? lanes.due(now),
    snapshot() {
      const { upTo, upserts, deletes, frozen } = lanes.snapshot(reading.frontier());
      const waiting = batches?.firstWaiting() ?? null;
      const batch = batches?.frozen() ?? null;
      return {
        cursor: doorbell?.rung() ?? (waiting === null ? upTo : Math.min(upTo, waiting - 1)),
        rewind: reading.rewind(),
        batch,
        upserts,
        deletes,
        stored() {
          if (batch !== null) batches?.stored(batch);
          for (const lane of frozen) {
            lane.freezing = false;
            lanes.place(lane, clock.now());
          }
        },
      };
    },
  };
}
