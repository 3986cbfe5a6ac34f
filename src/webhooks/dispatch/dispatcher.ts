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
import type { KeepProgress } from "./progress.ts";
import type { DeliveryTurns } from "./turn-order.ts";
import { createRereading } from "./rereading.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import { createSender } from "./sender.ts";
import { createSupply } from "./supply.ts";
import type { Send } from "../egress/outgoing.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";

/** How often progress is stored at most, and after how many deliveries at the latest. */
const KEEP_MS = 50;
const KEEP_DELIVERIES = 2_000;

/** What is tolerably late to see: attempts, and a cursor that moves though nothing is delivered. */
const TELL_MS = 1_000;

/** What is sent must be over well before another process may take the lease. */
const LEASE_MARGIN_MS = 1_500;

/**
 * Why dispatching ended: the process does; the subscription was changed, or is another's, or the wall clock was
 * corrected, so that it begins again from what is stored; the log got another identity, so that positions in memory mean
 * something else; the endpoint wants no more; its turn is over. When storage fails, it throws.
 */
export type DispatchEnd = "closing" | "changed" | "renewed" | "gone" | "turn-over";

export interface DispatchDeps {
  readonly database: Database;
  /** Showed the database's time when the lease was taken, and runs evenly since. */
  readonly clock: Clock;
  /** Whether the wall clock was corrected since: then times that are stored from now on would mean other moments. */
  readonly isClockCorrected: () => boolean;
  /** From 0 up to 1. */
  readonly chance: () => number;
  /** The log that is delivered. */
  readonly source: LogReader;
  readonly send: Send;
  readonly secrets: OpenSecrets;
  readonly keepProgress: KeepProgress;
  /** Told when the endpoint goes down, and with null when it is back. */
  readonly onTrouble: (trouble: EndpointTrouble | null) => void;
  /** Requests of dispatchers of this subscription that have ended. */
  readonly leftBehind: LeftBehind;
  /** Number of blocked subjects from which on {@link onManyBlocked} is called, once. */
  readonly blockedSubjects: number;
  readonly onManyBlocked: (blocked: number) => void;
  /** The longest `Retry-After` that is honored. */
  readonly mostRetryAfterMs: number;
  /** Null: it goes on for as long as it may. */
  readonly turns: Pick<DeliveryTurns, "turnMs" | "keepMs"> | null;
  /** Called when something was delivered, or a turn was used up. */
  readonly onWork: () => void;
  readonly signal: AbortSignal;
  /** Whether the process ends, and this is not only to begin again. */
  readonly isClosing: () => boolean;
}

/** Delivers a subscription for as long as it may, beginning with what is stored of it. */
export async function dispatch(
  deps: DispatchDeps,
  subscription: SubscriptionRecord,
  lease: Lease,
  earlier: readonly AttemptRecord[],
): Promise<DispatchEnd> {
  const { database, clock, chance, source, keepProgress, leftBehind, signal } = deps;
  const { id, config, epoch, revision } = subscription;
  const alarm = createAlarm(clock);
  const attempts = createAttempts(earlier);
  /** Something is to be stored; `urgent`: others wait for that. */
  let changed = false;
  let urgent = false;
  const hasten = () => {
    changed = true;
    urgent = true;
  };
  const { turns } = deps;
  const { turnMs, keepMs } = turns ?? { turnMs: Number.POSITIVE_INFINITY, keepMs: KEEP_MS };
  const startedMs = clock.now();
  const { identity, ...found } = await source.state();
  let end: DispatchEnd | "failed" | null = null;
  const over = new AbortController();
  /** Why it failed. */
  let failure: unknown = null;
  const fail = (error: unknown) => {
    // What comes after the end changes nothing: what is stored last has all of it.
    if (over.signal.aborted) return;
    if (end === null) failure = error;
    end ??= isRenewed(error) ? "renewed" : "failed";
    alarm.wake();
  };
  const rereading = createRereading({ source, reread: () => outbox.reread(), wake: alarm.wake, fail });
  const outboxDeps = { database, clock, chance, identity, leftBehind, onFreezing: hasten };
  const outbox = await openPendingDeliveries(outboxDeps, subscription).catch((error: unknown) => {
    rereading.end();
    throw error;
  });
  const { lanes } = outbox;

  let { head } = found;
  /** The write of progress that is under way. */
  const keeping = { write: null as Promise<void> | null };
  let hasToldBlocked = false;
  /** Something was read, and perhaps nothing else happened. */
  let isBehind = false;
  let delivered = 0;
  let keptAt = clock.now();
  let toldAt = 0;
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
      outbox,
      leftBehind,
      onTrouble: deps.onTrouble,
      onSettled(parcel, verdict) {
        delivered += 1;
        deps.onWork();
        supply.sent(parcel.events);
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
    outbox,
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

  /** Stores how far it is. Nothing counts as stored before the write is acknowledged; one is under way at a time. */
  const keep = async (isLast = false) => {
    const started = clock.now();
    [changed, urgent, isBehind, delivered, keptAt] = [false, false, false, 0, started];
    const tells = started - toldAt >= TELL_MS || isLast || end !== null;
    if (tells) toldAt = started;
    const news = tells ? attempts.news() : null;
    const { acknowledge, ...snapshot } = outbox.snapshot();
    const seen = await keepProgress({
      ...snapshot,
      id,
      epoch,
      lease,
      isLast,
      trouble: sender.endpoint().trouble,
      attempts: news?.list ?? null,
    });
    if (seen !== revision) end ??= "changed";
    isLeaseLost = seen === null;
    if (isLeaseLost) return;
    leaseUntil = started + LEASE_MS - LEASE_MARGIN_MS;
    acknowledge();
    news?.acknowledge();
  };

  const tellBlocked = () => {
    const blocked = lanes.resting();
    if (hasToldBlocked || blocked < deps.blockedSubjects) return;
    hasToldBlocked = true;
    deps.onManyBlocked(blocked);
  };

  const keepNow = () => {
    keeping.write = keep()
      .then(tellBlocked, fail)
      .finally(() => {
        keeping.write = null;
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

  /** When progress is to be stored; null: there is none. */
  const keepAt = (now: number): number | null => {
    if (urgent || delivered >= KEEP_DELIVERIES) return now;
    if (changed) return keptAt + keepMs;
    if (isBehind) return keptAt + TELL_MS;
    // Attempts that came too soon after others to be told of with what was stored for them.
    return attempts.hasNews() ? toldAt + TELL_MS : null;
  };

  /** Ends the turn, where subscriptions take turns, when nothing can be done now or it took long enough. */
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

  const turn = () => {
    if (deps.isClockCorrected()) {
      end ??= "changed";
      alarm.wake();
      return;
    }
    const now = clock.now();
    alarm.at(outbox.due(now));
    const again = rereading.due(now);
    if (again !== null) alarm.at(again);
    supply.refill(head);
    if (outbox.compose()) hasten();
    const mayAt = sender.mayAt();
    if (mayAt > now) alarm.at(mayAt);
    // A lease that may have run out is made sure of before anything is sent.
    const next = now < leaseUntil ? sender.sendAll(now) : null;
    if (next !== null && next > now) alarm.at(next);
    const isBusy = sender.underWay() > 0 || (mayAt <= now && outbox.isReady(now));
    if (isBusy && leaseUntil - now < LEASE_MS / 2) hasten();
    if (keeping.write !== null) return;
    const at = keepAt(now);
    if (turns !== null) takeTurn(now, at === null && !isBusy && (mayAt > now || supply.isIdle(head)));
    if (at === null) return;
    if (at <= now) keepNow();
    else alarm.at(at);
  };

  /** Lets what is under way be acknowledged, and leaves behind, or cuts off, what takes too long. */
  const finish = async () => {
    const renew = () => {
      if (keeping.write === null && !isLeaseLost && end !== "renewed") keepNow();
    };
    const isTurnOver = end === "turn-over";
    await awaitLastAnswers({ clock, alarm, sender, isTurnOver, isClosing: deps.isClosing, renew });
    over.abort();
    sender.end(deps.isClosing());
  };

  signal.addEventListener("abort", alarm.wake);
  const unlisten = leftBehind.onOver(() => {
    outbox.onOver();
    alarm.wake();
  });
  watch().catch(fail);
  try {
    while (end === null && !signal.aborted) {
      alarm.reset();
      turn();
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
  // What is stored last has to know the outcome of the write before it.
  await keeping.write;
  lanes.leaveCursor();
  if (end !== "renewed") await keep(deps.isClosing() || end === "turn-over");
  if (end === "failed") throw failure;
  return end ?? "closing";
}
