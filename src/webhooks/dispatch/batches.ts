import { acknowledge, include, type Lane, type Reread, rewindLane } from "./lane.ts";
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
  /** Adds an event from the shared read, of a subject without a lane. */
  addEvent(event: DeliveryEvent): void;
  /** Buffered events, including those of the batch that is ready to be sent. */
  buffered(): readonly DeliveryEvent[];
  /** Replaces all buffered events after some were removed; a changed batch gets another id. */
  replace(reread: Reread): void;
  /** Hands buffered events over to lanes that their subjects got meanwhile. */
  handOver(now: number): void;
  /** Number and characters of the events that wait for a batch. */
  waiting(): { readonly events: number; readonly characters: number };
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
  /** Events of the stored batch, which may have been in flight. */
  readonly stored: readonly DeliveryEvent[];
  /** Called when a batch is settled. */
  readonly onSettled: () => void;
  /** Called when the batch has changed, so that it must be stored before it is sent. */
  readonly onFreezing: () => void;
}

/** The events that wait for a batch, and the batch that was composed of those before them. */
interface BatchState {
  backlog: DeliveryEvent[];
  current: Batch | null;
  /** Average duration of acknowledged batches, in milliseconds. */
  averageMs: number;
}

/** The parts that the functions below share. */
interface BatchContext {
  readonly lanes: Lanes;
  readonly options: BatchesOptions;
  readonly state: BatchState;
}

function ownEvents({ events }: Batch, subject: number): DeliveryEvent[] {
  return events.filter((event) => event.subject === subject);
}

function handOver({ lanes, state }: BatchContext, now: number): void {
  state.backlog = state.backlog.filter((event) => {
    const lane = lanes.wake(event.subject);
    if (lane === null) return true;
    include(lane, event.version);
    lanes.addEvent(event, now);
    return false;
  });
}

/** Blocks the lane of a batch's only subject: then the failure is its own. */
function blockIfOnly(
  { options }: BatchContext,
  { subjects }: Batch,
  lane: Lane,
  own: readonly DeliveryEvent[],
  { verdict, ...outcome }: Outcome,
): void {
  if (subjects.size !== 1 || (verdict.kind !== "refused" && verdict.kind !== "overloaded")) return;
  lane.frozen = own.at(-1)?.version ?? null;
  options.suspects.block(lane, verdict, outcome, own.length);
}

/** The failed event is unknown, so each subject continues alone; the subjects that succeed are attached again. */
function splitBatch(context: BatchContext, batch: Batch, outcome: Outcome): void {
  const { lanes } = context;
  for (const subject of batch.subjects) {
    const own = ownEvents(batch, subject);
    const first = own[0]?.version ?? 1;
    const lane = lanes.wake(subject) ?? lanes.addDetached(subject, first);
    include(lane, first);
    blockIfOnly(context, batch, lane, own, outcome);
    lanes.place(lane, outcome.now);
  }
  handOver(context, outcome.now);
}

/** Detaches the batch's subjects, unless one of them already has a lane, and makes way for the next batch. */
function detachBatch(context: BatchContext, slow: Batch, now: number): void {
  const { lanes, options, state } = context;
  if ([...slow.subjects].some((subject) => lanes.has(subject))) return;
  for (const subject of slow.subjects) {
    const own = ownEvents(slow, subject);
    const lane = lanes.addDetached(subject, own[0]?.version ?? 1);
    lane.seen = own.at(-1)?.position ?? 0;
    lane.sending = true;
  }
  slow.state = "detached";
  state.current = null;
  handOver(context, now);
  options.onFreezing();
}

function settleDetached(context: BatchContext, batch: Batch, outcome: Outcome): void {
  const { lanes } = context;
  for (const subject of batch.subjects) {
    const lane = lanes.wake(subject);
    if (lane === null) continue;
    const own = ownEvents(batch, subject);
    const last = own.at(-1);
    lane.sending = false;
    if (outcome.verdict.kind === "acknowledged" && last !== undefined) {
      acknowledge(lane, last.version);
      // The subject had no event since, so there is nothing to read.
      if (lane.seen <= last.position) lane.readTo = lane.seen;
    } else {
      blockIfOnly(context, batch, lane, own, outcome);
    }
    if (lane.pendingRewind !== null) rewindLane(lane, lane.pendingRewind);
    lanes.place(lane, outcome.now);
  }
}

/** Replaces the batch; the new one must be stored before it is sent. */
function replaceBatch({ options, state }: BatchContext, events: readonly DeliveryEvent[]): void {
  state.current = events.length === 0 ? null : batchOf(events, "composed");
  if (state.current === null) options.onSettled();
  else options.onFreezing();
}

function settleBatch(context: BatchContext, batch: Batch, outcome: Outcome): void {
  const { options, state } = context;
  const { kind } = outcome.verdict;
  if (kind === "acknowledged")
    state.averageMs += AVERAGE_SHARE * (outcome.now - batch.sentAt - state.averageMs);
  if (batch.state === "detached") return settleDetached(context, batch, outcome);
  if (kind !== "unreachable" && kind !== "gone") {
    state.current = null;
    if (kind !== "acknowledged") splitBatch(context, batch, outcome);
    options.onSettled();
  } else if (batch.left === null) {
    batch.state = "ready";
  } else {
    replaceBatch(context, batch.left);
  }
}

function overdueTime({ sentAt }: Batch, averageMs: number): number {
  return sentAt + Math.min(OVERDUE_LAST_MS, Math.max(OVERDUE_FIRST_MS, OVERDUE_FACTOR * averageMs));
}

/** Drops removed events; `reread` maps buffered events to the remaining ones. */
function replaceEvents(context: BatchContext, reread: Reread): void {
  const { state } = context;
  state.backlog = reread(state.backlog);
  const { current } = state;
  if (current === null) return;
  const before = current.left ?? current.events;
  const left = reread(before);
  if (left.length === before.length && left.every((event, index) => event === before[index])) return;
  if (current.state === "sending") current.left = left;
  else replaceBatch(context, left);
}

function nextBatch(context: BatchContext, now: number): PreparedDelivery | null {
  const { options, state } = context;
  const { current, backlog, averageMs } = state;
  if (current?.state === "sending" && backlog.length > 0 && overdueTime(current, averageMs) <= now)
    detachBatch(context, current, now);
  const batch = state.current;
  if (batch?.state !== "ready" || [...batch.subjects].some(options.hasOtherRequest)) return null;
  batch.state = "sending";
  batch.sentAt = now;
  return {
    message: batchMessage(options.subscription, batch.events),
    events: batch.events,
    subject: null,
    subjects: batch.subjects,
    fresh: true,
    isAlone: true,
    settle: (outcome) => settleBatch(context, batch, outcome),
  };
}

export function createBatches(lanes: Lanes, options: BatchesOptions): Batches {
  const { stored, limits } = options;
  const current = stored.length > 0 ? batchOf(stored, "ready") : null;
  const state: BatchState = { backlog: [], current, averageMs: 0 };
  const context = { lanes, options, state };
  return {
    addEvent: (event) => void state.backlog.push(event),
    buffered: () => [...state.backlog, ...(state.current?.left ?? state.current?.events ?? [])],
    replace: (reread) => replaceEvents(context, reread),
    handOver: (now) => handOver(context, now),
    waiting: () => ({
      events: state.backlog.length,
      characters: state.backlog.reduce((total, { text }) => total + text.length, 0),
    }),
    firstWaiting: () => state.backlog[0]?.position ?? null,
    compose() {
      if (state.current !== null) return false;
      const events = fitting(state.backlog, limits);
      state.backlog = state.backlog.slice(events.length);
      if (events.length > 0) state.current = batchOf(events, "composed");
      return events.length > 0;
    },
    frozen: () => state.current?.frozen ?? null,
    markStored(frozen) {
      if (state.current?.frozen === frozen && state.current.state === "composed")
        state.current.state = "ready";
    },
    isReady: () => state.current?.state === "ready",
    overdueAt(now) {
      if (state.current?.state !== "sending" || state.backlog.length === 0) return Number.POSITIVE_INFINITY;
      const at = overdueTime(state.current, state.averageMs);
      return at > now ? at : Number.POSITIVE_INFINITY;
    },
    next: (now) => nextBatch(context, now),
    has: (subject) => state.current !== null && state.current.subjects.has(subject),
  };
}
