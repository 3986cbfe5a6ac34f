import { acknowledge, include, type Reread, rewindLane } from "./lane.ts";
import { fitting, type LaneDeliveriesOptions, type Suspects } from "./lane-deliveries.ts";
import type { Lanes } from "./lanes.ts";
import { batchMessage } from "../endpoint/message.ts";
import type { Outcome, PreparedDelivery } from "./prepared-delivery.ts";
import type { DeliveryEvent } from "./source.ts";
import type { DeliveryMode, FrozenBatch } from "../subscriptions/subscription.ts";

/**
 * Batches across all attached subjects, one after the other. A batch that takes much longer than the average
 * _detaches_: its subjects become detached lanes with their events in flight, and the next batch contains the events of
 * other subjects.
 */
export interface Batches {
  take(event: DeliveryEvent): void;
  /** Buffered events, including those of the batch that is ready to be sent. */
  buffered(): readonly DeliveryEvent[];
  /** Replaces all buffered events after some were removed; a changed batch gets another id. */
  replace(reread: Reread): void;
  /** Hands buffered events over to lanes that their subjects got meanwhile. */
  handOver(now: number): void;
  /** Number and characters of the events that wait for a batch. */
  atHand(): { readonly events: number; readonly characters: number };
  /**
   * Position of the first event that waits for a batch; null: none waits. Earlier events are in a batch or in a
   * detached lane.
   */
  firstWaiting(): number | null;
  /** Composes the next batch if there is none; returns whether it did. It may be sent once {@link frozen} is stored. */
  compose(): boolean;
  frozen(): FrozenBatch | null;
  /** Call it when the value of {@link frozen} is stored. */
  markStored(frozen: FrozenBatch): void;
  isReady(): boolean;
  /** The batch to send now. Called when there is room for a request: an overdue batch detaches then. */
  next(now: number): PreparedDelivery | null;
  /** When the batch in flight is overdue while others wait; infinity when none waits, or when it is already overdue. */
  overdueAt(now: number): number;
  has(subject: number): boolean;
}

interface Batch {
  readonly events: readonly DeliveryEvent[];
  readonly subjects: ReadonlySet<number>;
  readonly frozen: FrozenBatch;
  state: "composed" | "ready" | "sending" | "detached";
  sentAt: number;
  /** The remaining events, where some were removed while it was sent: the next attempt sends these. */
  left: DeliveryEvent[] | null;
}

function batchOf(events: readonly DeliveryEvent[], state: Batch["state"]): Batch {
  const subjects = new Set(events.map(({ subject }) => subject));
  const frozen = { positions: events.map(({ position }) => position) };
  return { events, subjects, frozen, state, sentAt: 0, left: null };
}

/** A batch is overdue after a multiple of the average duration, within these bounds. */
const OVERDUE_FIRST_MS = 100;
const OVERDUE_LAST_MS = 5_000;
const OVERDUE_FACTOR = 2;

/** Weight of the last batch in the average. */
const AVERAGE_SHARE = 0.2;

export interface BatchesOptions extends Pick<LaneDeliveriesOptions, "subscription" | "hasOtherRequest"> {
  readonly suspects: Suspects;
  readonly limits: Extract<DeliveryMode, { kind: "batch" }>;
  /** Events of the batch that was in flight when progress was last stored. */
  readonly begun: readonly DeliveryEvent[];
  /** Called when a batch is settled. */
  readonly onDone: () => void;
  /** Called when the batch has changed and must be stored before it is sent. */
  readonly onFreezing: () => void;
}

export function createBatches(lanes: Lanes, options: BatchesOptions): Batches {
  const { subscription, limits, begun, onDone, onFreezing } = options;
  let backlog: DeliveryEvent[] = [];
  let batch = begun.length > 0 ? batchOf(begun, "ready") : null;
  /** Average duration of acknowledged batches, in milliseconds. */
  let averageMs = 0;

  const handOver = (now: number) => {
    backlog = backlog.filter((event) => {
      const lane = lanes.wake(event.subject);
      if (lane === null) return true;
      include(lane, event.version);
      lanes.take(event, now);
      return false;
    });
  };

  /** The failed event is unknown, so each subject continues alone; the subjects that succeed are attached again. */
  const split = ({ events, subjects }: Batch, { verdict, ...outcome }: Outcome) => {
    for (const subject of subjects) {
      const own = events.filter((event) => event.subject === subject);
      const first = own[0]?.version ?? 1;
      const lane = lanes.wake(subject) ?? lanes.addDetached(subject, first);
      include(lane, first);
      if (subjects.size === 1 && (verdict.kind === "refused" || verdict.kind === "overloaded")) {
        lane.frozen = own.at(-1)?.version ?? null;
        options.suspects.block(lane, verdict, outcome, own.length);
      }
      lanes.place(lane, outcome.now);
    }
    handOver(outcome.now);
  };

  const ownEvents = ({ events }: Batch, subject: number) =>
    events.filter((event) => event.subject === subject);

  /** Detaches the batch's subjects, unless one of them already has a lane, and makes way for the next batch. */
  const detach = (slow: Batch, now: number) => {
    if (slow.subjects.values().some((subject) => lanes.has(subject))) return;
    for (const subject of slow.subjects) {
      const own = ownEvents(slow, subject);
      const lane = lanes.addDetached(subject, own[0]?.version ?? 1);
      lane.seen = own.at(-1)?.position ?? 0;
      lane.sending = true;
    }
    slow.state = "detached";
    batch = null;
    handOver(now);
    onFreezing();
  };

  const settleDetached = (settled: Batch, { verdict, ...outcome }: Outcome) => {
    const { subjects } = settled;
    const isFailure = verdict.kind === "refused" || verdict.kind === "overloaded";
    for (const subject of subjects) {
      const lane = lanes.wake(subject);
      if (lane === null) continue;
      const own = ownEvents(settled, subject);
      const last = own.at(-1);
      lane.sending = false;
      if (verdict.kind === "acknowledged" && last !== undefined) {
        acknowledge(lane, last.version);
        // The subject had no event since, so there is nothing to read.
        if (lane.seen <= last.position) lane.readTo = lane.seen;
      } else if (subjects.size === 1 && isFailure) {
        lane.frozen = last?.version ?? null;
        options.suspects.block(lane, verdict, outcome, own.length);
      }
      if (lane.pendingRewind !== null) rewindLane(lane, lane.pendingRewind);
      lanes.place(lane, outcome.now);
    }
  };

  const overdueAt = ({ sentAt }: Batch) =>
    sentAt + Math.min(OVERDUE_LAST_MS, Math.max(OVERDUE_FIRST_MS, OVERDUE_FACTOR * averageMs));

  const settle = (settled: Batch, outcome: Outcome) => {
    const { kind } = outcome.verdict;
    if (kind === "acknowledged") averageMs += AVERAGE_SHARE * (outcome.now - settled.sentAt - averageMs);
    if (settled.state === "detached") return settleDetached(settled, outcome);
    if (kind !== "unreachable" && kind !== "gone") {
      batch = null;
      if (kind !== "acknowledged") split(settled, outcome);
      onDone();
    } else if (settled.left === null) {
      settled.state = "ready";
    } else {
      compose(settled.left);
    }
  };

  /** Replaces the batch in flight; the new one must be stored before it is sent. */
  const compose = (events: readonly DeliveryEvent[]) => {
    batch = events.length === 0 ? null : batchOf(events, "composed");
    if (batch === null) onDone();
    else onFreezing();
  };

  return {
    take: (event) => backlog.push(event),
    buffered: () => [...backlog, ...(batch?.left ?? batch?.events ?? [])],
    replace(reread) {
      backlog = reread(backlog);
      if (batch === null) return;
      const before = batch.left ?? batch.events;
      const left = reread(before);
      if (left.length === before.length && left.every((event, index) => event === before[index])) return;
      if (batch.state === "sending") batch.left = left;
      else compose(left);
    },
    handOver,
    atHand: () => ({
      events: backlog.length,
      characters: backlog.reduce((total, { text }) => total + text.length, 0),
    }),
    firstWaiting: () => backlog[0]?.position ?? null,
    compose() {
      if (batch !== null) return false;
      const events = fitting(backlog, limits);
      backlog = backlog.slice(events.length);
      if (events.length > 0) batch = batchOf(events, "composed");
      return events.length > 0;
    },
    frozen: () => batch?.frozen ?? null,
    markStored(frozen) {
      if (batch?.frozen === frozen && batch.state === "composed") batch.state = "ready";
    },
    isReady: () => batch?.state === "ready",
    overdueAt(now) {
      if (batch?.state !== "sending" || backlog.length === 0) return Number.POSITIVE_INFINITY;
      const at = overdueAt(batch);
      return at > now ? at : Number.POSITIVE_INFINITY;
    },
    next(now) {
      if (batch?.state === "sending" && backlog.length > 0 && overdueAt(batch) <= now) detach(batch, now);
      if (batch?.state !== "ready" || batch.subjects.values().some(options.hasOtherRequest)) return null;
      const sent = batch;
      sent.state = "sending";
      sent.sentAt = now;
      return {
        message: batchMessage(subscription, sent.events),
        events: sent.events.length,
        subject: null,
        subjects: sent.subjects,
        fresh: true,
        isAlone: true,
        settle: (outcome) => settle(sent, outcome),
      };
    },
    has: (subject) => batch !== null && batch.subjects.has(subject),
  };
}
