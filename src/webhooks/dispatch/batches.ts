import { acknowledge, include, type Reread, sendBack } from "./lane.ts";
import { fitting, type LaneDeliveriesOptions, type Suspects } from "./lane-deliveries.ts";
import type { Lanes } from "./lanes.ts";
import { batchMessage } from "../endpoint/message.ts";
import type { Outcome, PreparedDelivery } from "./prepared-delivery.ts";
import type { DeliveryEvent } from "./source.ts";
import type { DeliveryMode, FrozenBatch } from "../subscriptions/subscription.ts";

/**
 * Batches of all subjects that are in step, one after the other. A batch that takes much longer than others _detaches_:
 * its subjects stand apart, each with its events under way, and the next batch holds the events of other subjects.
 */
export interface Batches {
  take(event: DeliveryEvent): void;
  /** Events at hand, and those of the batch that waits to be sent. */
  held(): readonly DeliveryEvent[];
  /** Replaces all events at hand by what is left of them; the batch then has another id. */
  replace(reread: Reread): void;
  /** Leaves to lanes that were made meanwhile what waits of their subjects. */
  leave(now: number): void;
  /** Events, and their characters, that wait. */
  atHand(): { readonly events: number; readonly characters: number };
  /** Everything up to there was taken into a batch, or stands apart; null: nothing waits. */
  firstWaiting(): number | null;
  /** Fixes the next batch if there is none: it may be sent when {@link frozen} is stored. Says whether it did. */
  compose(): boolean;
  frozen(): FrozenBatch | null;
  /** Told that what {@link frozen} gave is stored. */
  stored(frozen: FrozenBatch): void;
  isReady(): boolean;
  /** The batch to be sent now. Called when there is room for a request: a batch that takes too long detaches then. */
  next(now: number): PreparedDelivery | null;
  /** When the batch under way has taken too long while others wait; infinity when none does, or it has already. */
  overdueAt(now: number): number;
  has(subject: number): boolean;
}

interface Batch {
  readonly events: readonly DeliveryEvent[];
  readonly subjects: ReadonlySet<number>;
  readonly frozen: FrozenBatch;
  state: "composed" | "ready" | "sending" | "detached";
  sentAt: number;
  /** What is left of its events, where some were removed while it was sent: the next attempt sends this. */
  left: DeliveryEvent[] | null;
}

function batchOf(events: readonly DeliveryEvent[], state: Batch["state"]): Batch {
  const subjects = new Set(events.map(({ subject }) => subject));
  const frozen = { positions: events.map(({ position }) => position) };
  return { events, subjects, frozen, state, sentAt: 0, left: null };
}

/** A batch takes too long after this time, and after so many times what those that are taken last on average. */
const OVERDUE_FIRST_MS = 100;
const OVERDUE_LAST_MS = 5_000;
const OVERDUE_FACTOR = 2;

/** How much the last batch counts in the average. */
const AVERAGE_SHARE = 0.2;

export interface BatchesOptions extends Pick<LaneDeliveriesOptions, "subscription" | "isElsewhere"> {
  readonly suspects: Suspects;
  readonly limits: Extract<DeliveryMode, { kind: "batch" }>;
  /** Events of the batch that was under way when it was last stored. */
  readonly begun: readonly DeliveryEvent[];
  /** Told that there is no batch any more. */
  readonly onDone: () => void;
  /** Told that the batch is another, which has to be stored before it is sent. */
  readonly onFreezing: () => void;
}

export function createBatches(lanes: Lanes, options: BatchesOptions): Batches {
  const { subscription, limits, begun, onDone, onFreezing } = options;
  let backlog: DeliveryEvent[] = [];
  let batch = begun.length > 0 ? batchOf(begun, "ready") : null;
  /** How long batches that are taken last on average. */
  let averageMs = 0;

  const leave = (now: number) => {
    backlog = backlog.filter((event) => {
      const lane = lanes.wake(event.subject);
      if (lane === null) return true;
      include(lane, event.version);
      lanes.take(event, now);
      return false;
    });
  };

  /** Which of its events was not taken is unknown: each subject continues alone, and those that are well come back. */
  const split = ({ events, subjects }: Batch, { verdict, ...outcome }: Outcome) => {
    for (const subject of subjects) {
      const own = events.filter((event) => event.subject === subject);
      const first = own[0]?.version ?? 1;
      const lane = lanes.wake(subject) ?? lanes.addApart(subject, first);
      include(lane, first);
      if (subjects.size === 1 && (verdict.kind === "refused" || verdict.kind === "overloaded")) {
        lane.frozen = own.at(-1)?.version ?? null;
        options.suspects.block(lane, verdict, outcome, own.length);
      }
      lanes.place(lane, outcome.now);
    }
    leave(outcome.now);
  };

  const ownEvents = ({ events }: Batch, subject: number) =>
    events.filter((event) => event.subject === subject);

  /** Has its subjects stand apart, where none of them does, and lets the next batch come. */
  const detach = (slow: Batch, now: number) => {
    if (slow.subjects.values().some((subject) => lanes.has(subject))) return;
    for (const subject of slow.subjects) {
      const own = ownEvents(slow, subject);
      const lane = lanes.addApart(subject, own[0]?.version ?? 1);
      lane.seen = own.at(-1)?.position ?? 0;
      lane.sending = true;
    }
    slow.state = "detached";
    batch = null;
    leave(now);
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
        // Nothing of it came since: there is nothing to be read.
        if (lane.seen <= last.position) lane.readTo = lane.seen;
      } else if (subjects.size === 1 && isFailure) {
        lane.frozen = last?.version ?? null;
        options.suspects.block(lane, verdict, outcome, own.length);
      }
      if (lane.back !== null) sendBack(lane, lane.back);
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

  /** Takes the place of the batch under way; has to be stored before it is sent. */
  const compose = (events: readonly DeliveryEvent[]) => {
    batch = events.length === 0 ? null : batchOf(events, "composed");
    if (batch === null) onDone();
    else onFreezing();
  };

  return {
    take: (event) => backlog.push(event),
    held: () => [...backlog, ...(batch?.left ?? batch?.events ?? [])],
    replace(reread) {
      backlog = reread(backlog);
      if (batch === null) return;
      const before = batch.left ?? batch.events;
      const left = reread(before);
      if (left.length === before.length && left.every((event, index) => event === before[index])) return;
      if (batch.state === "sending") batch.left = left;
      else compose(left);
    },
    leave,
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
    stored(frozen) {
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
      if (batch?.state !== "ready" || batch.subjects.values().some(options.isElsewhere)) return null;
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
