import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import { type Lease, LEASE_MS } from "../../storage/lease.ts";
import { isRenewed, renewedError } from "../../storage/failures.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { createAlarm } from "../endpoint/alarm.ts";
import { type AttemptRecord, createAttempts } from "../subscriptions/attempts.ts";
import { awaitLastAnswers } from "./last-answers.ts";
import type { LeftBehind } from "./left-behind.ts";
import { openPendingDeliveries } from "./pending-deliveries.ts";
import type { SaveProgress } from "./progress.ts";
import type { DeliveryTurns } from "./turn-order.ts";
import { createRereading } from "./rereading.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import { createSender } from "./sender.ts";
import { createSupply } from "./supply.ts";
import type { Send } from "../egress/outgoing.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";

/** Longest delay before progress is stored, in time and in deliveries. */
const SAVE_MS = 50;
const SAVE_DELIVERIES = 2_000;

/** Delay before less urgent progress is stored: attempts, and a cursor that moves without deliveries. */
const REPORT_MS = 1_000;

/** Every request must end well before another process may take the lease. */
const LEASE_MARGIN_MS = 1_500;

/**
 * Why dispatching ended. `closing`: the process ends. `changed`: the subscription was changed, or another process holds
 * its lease, or the wall clock was corrected, so that dispatching must start again from the stored state. `renewed`:
 * the log got another identity, so that positions in memory are void. `gone`: the endpoint wants no more deliveries.
 * `turn-over`: its turn has ended. A storage failure rejects.
 */
export type DispatchEnd = "closing" | "changed" | "renewed" | "gone" | "turn-over";

export interface DispatchDeps {
  readonly database: Database;
  /** Set to the database's time when the lease was taken, and monotonic since. */
  readonly clock: Clock;
  /** Whether the wall clock was corrected since: then stored times would mean other moments. */
  readonly isClockCorrected: () => boolean;
  /** Random number, from 0 up to 1. */
  readonly chance: () => number;
  /** The log that is delivered. */
  readonly source: LogReader;
  readonly send: Send;
  readonly secrets: OpenSecrets;
  readonly saveProgress: SaveProgress;
  /** Called when the endpoint goes down, and with null when it is up again. */
  readonly onTrouble: (trouble: EndpointTrouble | null) => void;
  /** Requests of ended dispatchers of this subscription that are still in flight. */
  readonly leftBehind: LeftBehind;
  /** Number of blocked subjects at which {@link onManyBlocked} is called, once. */
  readonly blockedSubjects: number;
  readonly onManyBlocked: (blocked: number) => void;
  /** The longest `Retry-After` that is honored, in milliseconds. */
  readonly mostRetryAfterMs: number;
  /** Null: the dispatcher runs until it is aborted. */
  readonly turns: Pick<DeliveryTurns, "turnMs" | "saveMs"> | null;
  /** Called when something was delivered, or a turn was used up. */
  readonly onWork: () => void;
  readonly signal: AbortSignal;
  /** Whether the process ends; otherwise another dispatcher follows. */
  readonly isClosing: () => boolean;
}

/**
 * Delivers a subscription from its stored state, until the signal aborts or dispatching cannot continue. Rejects when
 * storage fails.
 */
export async function dispatch(
  deps: DispatchDeps,
  subscription: SubscriptionRecord,
  lease: Lease,
  earlier: readonly AttemptRecord[],
): Promise<DispatchEnd> {
  const { database, clock, chance, source, saveProgress, leftBehind, signal } = deps;
  const { id, config, epoch, revision } = subscription;
  const alarm = createAlarm(clock);
  const attempts = createAttempts(earlier);
  /** Progress must be stored; `urgent`: deliveries wait for it. */
  let changed = false;
  let urgent = false;
  const hasten = () => {
    changed = true;
    urgent = true;
  };
  const { turns } = deps;
  const { turnMs, saveMs } = turns ?? { turnMs: Number.POSITIVE_INFINITY, saveMs: SAVE_MS };
  const startedMs = clock.now();
  const { identity, ...found } = await source.state();
  let end: DispatchEnd | "failed" | null = null;
  const over = new AbortController();
  /** Error that ended dispatching. */
  let failure: unknown = null;
  const fail = (error: unknown) => {
    // Failures after the end change nothing: the last write stores all progress.
    if (over.signal.aborted) return;
    if (end === null) failure = error;
    end ??= isRenewed(error) ? "renewed" : "failed";
    alarm.wake();
  };
  const rereading = createRereading({ source, reread: () => deliveries.reread(), wake: alarm.wake, fail });
  const pendingDeps = { database, clock, chance, identity, leftBehind, onFreezing: hasten };
  const deliveries = await openPendingDeliveries(pendingDeps, subscription).catch((error: unknown) => {
    rereading.end();
    throw error;
  });
  const { lanes } = deliveries;

  let { head } = found;
  /** The write of progress in flight. */
  const saving = { write: null as Promise<void> | null };
  let hasReportedBlocked = false;
  /** Events were read, and perhaps nothing else happened. */
  let isBehind = false;
  let delivered = 0;
  let savedAt = clock.now();
  let reportedAt = 0;
  let leaseUntil = lease.takenMs + LEASE_MS - LEASE_MARGIN_MS;
  let isLeaseLost = false;

  const sender = createSender(
    {
      clock,
      chance,
      send: deps.send,
      secrets: deps.secrets,
      mostRetryAfterMs: deps.mostRetryAfterMs,
      attempts,
      deliveries,
      leftBehind,
      onTrouble: deps.onTrouble,
      onSettled(delivery, verdict) {
        delivered += 1;
        deps.onWork();
        supply.sent(delivery.events);
        changed = true;
        if (verdict.kind === "gone") end ??= "gone";
      },
      signal,
      wake: alarm.wake,
      fail,
    },
    subscription,
  );

  const supply = createSupply({
    deliveries,
    sender,
    concurrency: config.concurrency,
    track: (read) => rereading.track(read),
    signal,
    onRead() {
      isBehind = true;
      alarm.wake();
    },
    fail,
  });

  /** Stores progress. It counts as stored only when the write is acknowledged; one write is in flight at a time. */
  const save = async (isLast = false) => {
    const started = clock.now();
    [changed, urgent, isBehind, delivered, savedAt] = [false, false, false, 0, started];
    const isReport = started - reportedAt >= REPORT_MS || isLast || end !== null;
    if (isReport) reportedAt = started;
    const unsaved = isReport ? attempts.unsaved() : null;
    const { acknowledge, ...snapshot } = deliveries.snapshot();
    const storedRevision = await saveProgress({
      ...snapshot,
      id,
      epoch,
      lease,
      isLast,
      trouble: sender.endpoint().trouble,
      attempts: unsaved?.list ?? null,
    });
    if (storedRevision !== revision) end ??= "changed";
    isLeaseLost = storedRevision === null;
    if (isLeaseLost) return;
    leaseUntil = started + LEASE_MS - LEASE_MARGIN_MS;
    acknowledge();
    unsaved?.acknowledge();
  };

  const reportBlocked = () => {
    const blocked = lanes.resting();
    if (hasReportedBlocked || blocked < deps.blockedSubjects) return;
    hasReportedBlocked = true;
    deps.onManyBlocked(blocked);
  };

  const saveNow = () => {
    saving.write = save()
      .then(reportBlocked, fail)
      .finally(() => {
        saving.write = null;
        alarm.wake();
      });
  };

  const watch = async () => {
    while (!over.signal.aborted) {
      head = Math.max(head, await source.passed(head, over.signal));
      if (source.knownIdentity() !== identity) throw renewedError(source.name);
      alarm.wake();
    }
  };

  /** When progress must be stored; null: there is none. */
  const saveAt = (now: number): number | null => {
    if (urgent || delivered >= SAVE_DELIVERIES) return now;
    if (changed) return savedAt + saveMs;
    if (isBehind) return savedAt + REPORT_MS;
    // Attempts that arrived after the last save are written by the next one.
    return attempts.hasUnsaved() ? reportedAt + REPORT_MS : null;
  };

  /** Ends the turn, where subscriptions take turns, when nothing can be delivered now or the turn took long enough. */
  const takeTurn = (now: number, isIdle: boolean) => {
    const turnEndsMs = startedMs + turnMs;
    const isLong = now >= turnEndsMs;
    if (isLong) deps.onWork();
    if (isLong || isIdle) {
      end ??= "turn-over";
      alarm.wake();
    } else {
      alarm.at(turnEndsMs);
    }
  };

  const step = () => {
    if (deps.isClockCorrected()) {
      end ??= "changed";
      alarm.wake();
      return;
    }
    const now = clock.now();
    alarm.at(deliveries.due(now));
    const again = rereading.due(now);
    if (again !== null) alarm.at(again);
    supply.refill(head);
    if (deliveries.compose()) hasten();
    const mayAt = sender.mayAt();
    if (mayAt > now) alarm.at(mayAt);
    // A lease that may have expired must be renewed before a request is sent.
    const next = now < leaseUntil ? sender.sendAll(now) : null;
    if (next !== null && next > now) alarm.at(next);
    const isBusy = sender.underWay() > 0 || (mayAt <= now && deliveries.isReady(now));
    if (isBusy && leaseUntil - now < LEASE_MS / 2) hasten();
    if (saving.write !== null) return;
    const at = saveAt(now);
    if (turns !== null) takeTurn(now, at === null && !isBusy && (mayAt > now || supply.isIdle(head)));
    if (at === null) return;
    if (at <= now) saveNow();
    else alarm.at(at);
  };

  /** Waits for the requests in flight; leaves behind, or cuts off, those that take too long. */
  const finish = async () => {
    const renew = () => {
      if (saving.write === null && !isLeaseLost && end !== "renewed") saveNow();
    };
    const isTurnOver = end === "turn-over";
    await awaitLastAnswers({ clock, alarm, sender, isTurnOver, isClosing: deps.isClosing, renew });
    over.abort();
    sender.end(deps.isClosing());
  };

  signal.addEventListener("abort", alarm.wake);
  const unlisten = leftBehind.onOver(() => {
    deliveries.onOver();
    alarm.wake();
  });
  watch().catch(fail);
  try {
    while (end === null && !signal.aborted) {
      alarm.reset();
      step();
      await alarm.woken();
    }
    await finish();
  } finally {
    over.abort();
    unlisten();
    rereading.end();
    alarm.close();
    signal.removeEventListener("abort", alarm.wake);
  }
  // The last write depends on the outcome of the previous one.
  await saving.write;
  lanes.detachLagging();
  if (end !== "renewed") await save(deps.isClosing() || end === "turn-over");
  if (end === "failed") throw failure;
  return end ?? "closing";
}
