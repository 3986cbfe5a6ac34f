import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { HealthRecord, RecordedHealth } from "./health-record.ts";
import type { AttemptKind } from "./lane-table.ts";
import type { Lanes } from "./lanes.ts";
import type { LeftBehind } from "./left-behind.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";
import type { SourceReader } from "./source-reader.ts";
import type { EndpointTrouble, FrozenBatch, Rewind, StoredLane } from "../subscriptions/subscription.ts";

/** How far deliveries have come, to store. */
export interface DeliverySnapshot {
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[] | "all";
  /** Call it when the write is acknowledged, and never before: until then nothing of it counts as stored. */
  readonly acknowledge: () => void;
}

/** The progress of a subscription to store. */
export type ProgressSnapshot = DeliverySnapshot & RecordedHealth["progress"];

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
  onLeftBehindEnded(): void;
  /** Composes the next batch; returns whether it must be stored before it is sent. */
  compose(): boolean;
  /** Wakes deliveries whose retry is due. Returns when the next one is due; infinity: none is. */
  wakeDue(now: number): number;
  snapshot(trouble: EndpointTrouble | null, now: number): ProgressSnapshot;
  /** See `HealthRecord.due`. */
  countedDue: HealthRecord["due"];
  /**
   * Reads buffered events again, and replaces them by the remaining ones, after the log truncated or erased some. Reads
   * in flight must be checked again afterwards.
   */
  reread(): Promise<void>;
}

/** Pending deliveries of one mode, which do not record the health of subjects. */
export interface ModeDeliveries extends Omit<PendingDeliveries, "snapshot" | "countedDue"> {
  /** Ids of the subjects that are stored as blocked. */
  readonly blocked: Set<number>;
  snapshot(): DeliverySnapshot;
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
