import type { Clock } from "../../core/clock.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { Database } from "../../storage/database.ts";
import { type Lease, LEASE_MS } from "../../storage/lease.ts";
import type { Send } from "../egress/outgoing.ts";
import { type WakeUp, createWakeUp } from "../endpoint/wake-up.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import { type AttemptRecord, createAttempts } from "../subscriptions/attempts.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";
import { createBlockedReport } from "./blocked-report.ts";
import { createEnding, type DispatchEnd, type Ending } from "./ending.ts";
import type { DeliveryMeasures } from "./delivery-measures.ts";
import { followHead } from "./follow-head.ts";
import { awaitLastAnswers } from "./last-answers.ts";
import type { LeftBehind } from "./left-behind.ts";
import { openPendingDeliveries } from "./open-pending-deliveries.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import { createPrefetcher, type Prefetcher } from "./prefetcher.ts";
import type { SaveProgress } from "./progress.ts";
import {
  createProgressSaver,
  markUrgent,
  nothingUnsaved,
  type ProgressSaver,
  type Unsaved,
} from "./progress-saver.ts";
import { createRereading, type Rereading } from "./rereading.ts";
import { createSender, type Sender } from "./sender.ts";
import type { TurnLimits } from "./round-robin.ts";

/** Longest delay before progress is stored, without turns. */
const SAVE_MS = 50;

/** Time between two looks whether the creator may still read the source. */
const CREATOR_LOOK_MS = 2_000;

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
  readonly measures: DeliveryMeasures;
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
  readonly turns: Pick<TurnLimits, "turnMs" | "saveMs"> | null;
  /** Whether the creator may still read the source; null: nothing can end that. */
  readonly creatorMayRead: (() => Promise<boolean>) | null;
  /** Called when something was delivered, or a turn was used up. */
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
  /** Whether the process ends; otherwise another dispatcher follows. */
  readonly isClosing: () => boolean;
}

/** A dispatcher: the parts that it runs, and its state. */
interface Dispatcher {
  readonly deps: DispatchDeps;
  readonly wakeUp: WakeUp;
  readonly ending: Ending;
  readonly rereading: Rereading;
  readonly deliveries: PendingDeliveries;
  readonly sender: Sender;
  readonly prefetcher: Prefetcher;
  readonly unsaved: Unsaved;
  readonly saver: ProgressSaver;
  /** The log, as it was found: its identity, and its last known head. */
  readonly identity: string;
  head: number;
  /** When the turn ends; infinity without turns. */
  readonly turnEndsMs: number;
}

/** Opens the stored state, and connects the parts. */
async function openDispatcher(
  deps: DispatchDeps,
  subscription: SubscriptionRecord,
  lease: Lease,
  earlier: readonly AttemptRecord[],
): Promise<Dispatcher> {
  const { clock, source, signal, turns } = deps;
  const turnEndsMs = clock.now() + (turns?.turnMs ?? Number.POSITIVE_INFINITY);
  const wakeUp = createWakeUp(clock);
  const { wake } = wakeUp;
  const ending = createEnding(wake);
  const { fail } = ending;
  const attempts = createAttempts(earlier, subscription.config.keepAttempts ?? 0);
  const unsaved = nothingUnsaved();
  const { identity, head } = await source.state();
  const rereading = createRereading({ source, reread: () => deliveries.reread(), wake, fail });
  const onFreezing = () => markUrgent(unsaved);
  const deliveries = await openPendingDeliveries({ ...deps, identity, onFreezing }, subscription).catch(
    (error: unknown) => {
      rereading.end();
      throw error;
    },
  );
  const onSettled: Parameters<typeof createSender>[0]["onSettled"] = (delivery, verdict) => {
    unsaved.delivered += 1;
    unsaved.hasChanged = true;
    deps.onProgress();
    prefetcher.countSent(delivery.events.length);
    deps.measures.settled(delivery, verdict, clock.now());
    if (verdict.kind === "gone") ending.endFor("gone");
  };
  const sender = createSender({ ...deps, attempts, deliveries, onSettled, wake, fail }, subscription);
  const prefetcher = createPrefetcher({
    deliveries,
    sender,
    concurrency: subscription.config.concurrency,
    // A turn ends soon.
    mayWait: turns === null,
    track: (read) => rereading.track(read),
    signal,
    onRead() {
      unsaved.hasRead = true;
      wake();
    },
    fail,
  });
  const saver = createProgressSaver({
    ...deps,
    subscription,
    lease,
    unsaved,
    attempts,
    deliveries,
    trouble: () => sender.endpoint().trouble,
    saveMs: turns?.saveMs ?? SAVE_MS,
    isTurn: turns !== null,
    ending,
    onSaved: createBlockedReport(deps, deliveries.lanes),
    wake,
  });
  const parts = { wakeUp, ending, rereading, deliveries, sender, prefetcher, unsaved, saver };
  return { deps, ...parts, identity, head, turnEndsMs };
}

/** Takes over a later head; returns for how long no other one is needed, since the shared read waits. */
function takeHead(dispatcher: Dispatcher, head: number): number {
  dispatcher.head = head;
  dispatcher.wakeUp.wake();
  return dispatcher.prefetcher.waitsUntil(head) - dispatcher.deps.clock.now();
}

/**
 * Ends the dispatcher within 5 seconds after the creator's access to the source has ended. Rejects when storage fails:
 * nothing is delivered, and nothing paused, until the next dispatcher has an answer.
 */
async function followCreator({ deps, ending }: Dispatcher): Promise<void> {
  // A turn ends soon, and the next one begins with this question.
  if (deps.creatorMayRead === null || deps.turns !== null) return;
  for (;;) {
    await deps.clock.sleep(CREATOR_LOOK_MS, ending.closed);
    if (ending.closed.aborted) return;
    if (!(await deps.creatorMayRead())) ending.endFor("creator-ended");
  }
}

/** Ends the turn when nothing can be delivered now, or when it took long enough. */
function endTurnIfOver({ deps, wakeUp, ending, turnEndsMs }: Dispatcher, now: number, isIdle: boolean): void {
  const isLong = now >= turnEndsMs;
  if (isLong) deps.onProgress();
  if (isLong || isIdle) ending.endFor("turn-over");
  else wakeUp.at(turnEndsMs);
}

/** Sends as much as may be sent now. Returns whether requests are in flight, or could be, and need the lease. */
function sendReady(
  { wakeUp, deliveries, sender, saver }: Dispatcher,
  now: number,
  nextRequestAt: number,
): boolean {
  if (nextRequestAt > now) wakeUp.at(nextRequestAt);
  // A lease that may have expired must be renewed before a request is sent.
  const continueAt = now < saver.leaseUntil() ? sender.sendAll(now) : null;
  if (continueAt !== null && continueAt > now) wakeUp.at(continueAt);
  return sender.inFlight() > 0 || (nextRequestAt <= now && deliveries.isReady(now));
}

/** Does everything that can be done now, and sets the time of the next wake-up for the rest. */
function step(dispatcher: Dispatcher): void {
  const { deps, wakeUp, ending, rereading, deliveries, sender, prefetcher, unsaved, saver } = dispatcher;
  if (deps.isClockCorrected()) {
    ending.endFor("changed");
    return;
  }
  const now = deps.clock.now();
  wakeUp.at(deliveries.wakeDue(now));
  const rereadAt = rereading.due(now);
  if (rereadAt !== null) wakeUp.at(rereadAt);
  prefetcher.fill(dispatcher.head, now);
  const readAt = prefetcher.waitsUntil(dispatcher.head);
  if (readAt > now) wakeUp.at(readAt);
  if (deliveries.compose()) markUrgent(unsaved);
  const nextRequestAt = sender.nextRequestAt();
  const isBusy = sendReady(dispatcher, now, nextRequestAt);
  if (isBusy && saver.leaseUntil() - now < LEASE_MS / 2) markUrgent(unsaved);
  if (saver.writing() !== null) return;
  const saveAt = saver.dueAt(now);
  if (deps.turns !== null) {
    const isIdle = saveAt === null && !isBusy && (nextRequestAt > now || prefetcher.isIdle(dispatcher.head));
    endTurnIfOver(dispatcher, now, isIdle);
  }
  if (saveAt === null) return;
  if (saveAt <= now) saver.start();
  else wakeUp.at(saveAt);
}

/** Waits for the requests in flight; leaves behind, or cuts off, those that take too long. */
async function finishRequests({ deps, wakeUp, ending, sender, saver }: Dispatcher): Promise<void> {
  await awaitLastAnswers({
    clock: deps.clock,
    wakeUp,
    sender,
    isTurnOver: ending.reason() === "turn-over",
    isClosing: deps.isClosing,
    renew() {
      if (saver.writing() === null && !saver.isLeaseLost() && ending.reason() !== "renewed") saver.start();
    },
  });
  ending.close();
  sender.end(deps.isClosing());
}

/** Runs a dispatcher until there is a reason to end, and its requests are over or left behind. */
async function run(dispatcher: Dispatcher): Promise<void> {
  const { deps, wakeUp, ending, rereading, deliveries, identity } = dispatcher;
  const { signal } = deps;
  signal.addEventListener("abort", wakeUp.wake);
  const unlisten = deps.leftBehind.onOver(() => {
    deliveries.onLeftBehindEnded();
    wakeUp.wake();
  });
  const onHead = (head: number) => takeHead(dispatcher, head);
  followHead({ ...deps, identity, onHead }, dispatcher.head, ending.closed).catch(ending.fail);
  followCreator(dispatcher).catch(ending.fail);
  try {
    while (ending.reason() === null && !signal.aborted) {
      wakeUp.reset();
      step(dispatcher);
      await wakeUp.woken();
    }
    await finishRequests(dispatcher);
  } finally {
    ending.close();
    unlisten();
    rereading.end();
    wakeUp.close();
    signal.removeEventListener("abort", wakeUp.wake);
  }
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
  const dispatcher = await openDispatcher(deps, subscription, lease, earlier);
  const { ending, saver, deliveries } = dispatcher;
  await run(dispatcher);
  // The last write depends on the outcome of the previous one.
  await saver.writing();
  deliveries.lanes.detachLagging();
  if (ending.reason() !== "renewed")
    await saver.saveLast(deps.isClosing() || ending.reason() === "turn-over");
  const end = ending.reason();
  if (end === "failed") throw ending.error();
  return end ?? "closing";
}
