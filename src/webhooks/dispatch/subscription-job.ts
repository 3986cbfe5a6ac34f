import { type Clock, steadyClock } from "../../core/clock.ts";
import { type Measures, UNMEASURED } from "../../core/measures.ts";
import type { Job, JobOutcome } from "../../jobs/job.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import type { Database } from "../../storage/database.ts";
import { type HasEnded, type Lease, releaseLease, takeLease, takeOver } from "../../storage/lease.ts";
import type { Send } from "../egress/outgoing.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import { CREATOR_ENDED, type CreatorMayRead, createCreatorAccess } from "../subscriptions/creator-access.ts";
import { leaseName } from "../subscriptions/lease-name.ts";
import { listAttempts } from "../subscriptions/state.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";
import type { DeliveryRunEvent } from "./delivery-event.ts";
import { type DeliveryMeasures, deliveryMeasures } from "./delivery-measures.ts";
import { dispatch, type DispatchDeps } from "./dispatcher.ts";
import type { DispatchEnd } from "./ending.ts";
import { openLeasedSubscription } from "./leased-subscription.ts";
import { createLeftBehind, type LeftBehind } from "./left-behind.ts";
import { pauseDelivery } from "./pause.ts";
import { createProgressWriter } from "./progress.ts";

/** A wall clock that differs by more than this from the monotonic clock was corrected. */
const CORRECTION_MS = 2_000;

export interface DeliverOptions {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly chance: () => number;
  /** Name of this process among those on the database. */
  readonly holder: string;
  /** Default: no holder is known to have ended, so that each lease lasts until it expires. */
  readonly hasEnded?: HasEnded;
  readonly send: Send;
  /** Opens a subscription's secrets. */
  readonly secretsOf: (subscription: SubscriptionRecord) => Promise<OpenSecrets>;
  readonly readerOf: (log: LogAddress) => LogReader;
  readonly blockedSubjects: number;
  readonly mostRetryAfterMs: number;
  /** Paths of the logs that everyone may read. Default: none. */
  readonly publicLogs?: readonly string[];
  /** Default: nothing is measured. */
  readonly measures?: Measures;
  readonly onEvent: (event: DeliveryRunEvent) => void;
}

/** How a job takes turns with those of other subscriptions. */
export interface SubscriptionTurns {
  /** Null: the job delivers until it is closed. */
  readonly turns: DispatchDeps["turns"];
  /** Called when something was delivered, or a turn was used up. */
  readonly onProgress: (subscription: string) => void;
}

/** Delivers one subscription under its lease. A run is one dispatcher; the job is over when this process delivers no more of it. */
export interface SubscriptionJob extends Job {
  /** Ends the dispatcher, so that the next run starts from the stored state. */
  restart(): void;
}

/** The jobs of the subscriptions that this process delivers. */
export interface SubscriptionJobs {
  create(subscription: string): SubscriptionJob;
  /** Cuts off the requests of ended dispatchers that are still in flight. */
  cutOff(): void;
}

/** Takes the lease of a subscription; null: another process delivers it. */
async function takeSubscription(options: DeliverOptions, id: string): Promise<Lease | null> {
  const { database, writer, holder, hasEnded = () => false } = options;
  const name = leaseName(id);
  return (
    (await takeLease(writer, name, holder)) ?? (await takeOver({ database, writer, holder, hasEnded }, name))
  );
}

/** Reasons of the pauses that dispatchers make. */
const PAUSES = { gone: "gone", "creator-ended": CREATOR_ENDED } as const;

/** Returns how the job continues after a dispatcher has ended. */
async function outcomeOf(
  options: DeliverOptions,
  end: DispatchEnd,
  subscription: SubscriptionRecord,
  lease: Lease,
): Promise<JobOutcome> {
  if (end === "turn-over") return "over";
  if (end !== "gone" && end !== "creator-ended") return "progressed";
  if (!(await pauseDelivery(options, subscription, PAUSES[end]))) return "progressed";
  options.onEvent({ kind: end, subscription: subscription.id });
  await releaseLease(options.writer, lease);
  return "over";
}

type Dispatched = Pick<DispatchDeps, "saveProgress" | "leftBehind" | "turns" | "onProgress"> & {
  readonly measuresOf: (source: string) => DeliveryMeasures;
  readonly creatorMayRead: CreatorMayRead;
  readonly id: string;
  /** Aborts when the process ends. */
  readonly closing: AbortSignal;
  /** Aborts when the subscription was changed. */
  readonly restarting: AbortSignal;
};

/** Dispatches a subscription once, if this process gets its lease. */
async function dispatchOnce(
  options: DeliverOptions,
  { id, closing, restarting, creatorMayRead, measuresOf, ...dispatched }: Dispatched,
): Promise<JobOutcome> {
  const { database, clock, onEvent } = options;
  const asked = { wallMs: clock.now(), monotonicMs: clock.monotonic() };
  const lease = await takeSubscription(options, id);
  if (lease === null) return "over";
  const leased = await openLeasedSubscription({ ...options, creatorMayRead }, id, lease);
  if (leased === null) return "over";
  const { subscription, secrets } = leased;
  const sinceAskedMs = () => clock.monotonic() - asked.monotonicMs;
  const end = await dispatch(
    {
      ...options,
      ...dispatched,
      // The next dispatcher, perhaps in another process, reads the times that this one stores, so both count from the
      // database's clock, as leases do.
      clock: steadyClock(clock, lease.takenMs + Math.floor(sinceAskedMs())),
      isClockCorrected: () => Math.abs(clock.now() - asked.wallMs - sinceAskedMs()) > CORRECTION_MS,
      source: options.readerOf(subscription.log),
      measures: measuresOf(subscription.log.name),
      secrets,
      signal: AbortSignal.any([closing, restarting]),
      isClosing: () => closing.aborted,
      creatorMayRead: subscription.creator === null ? null : () => creatorMayRead(subscription),
      onManyBlocked: (blocked) => onEvent({ kind: "many-blocked", subscription: id, blocked }),
      onTrouble: (trouble) =>
        onEvent(
          trouble === null ? { kind: "up", subscription: id } : { kind: "down", subscription: id, trouble },
        ),
    },
    subscription,
    lease,
    await listAttempts(database, id),
  );
  return outcomeOf(options, end, subscription, lease);
}

/** Creates the jobs of a process, which share the writer of progress. */
export function createSubscriptionJobs(
  options: DeliverOptions,
  { turns, onProgress }: SubscriptionTurns,
): SubscriptionJobs {
  const saveProgress = createProgressWriter(options.writer);
  const measuresOf = deliveryMeasures(options.measures ?? UNMEASURED);
  const creatorMayRead = createCreatorAccess({ publicLogs: [], ...options });
  /** By the id of the subscription: the requests that outlive a dispatcher concern the next job too. */
  const leftBehind = new Map<string, LeftBehind>();
  return {
    create(id) {
      const requests = leftBehind.get(id) ?? createLeftBehind();
      leftBehind.set(id, requests);
      let restarting = new AbortController();
      const shared = {
        id,
        saveProgress,
        measuresOf,
        creatorMayRead,
        leftBehind: requests,
        turns,
        onProgress: () => onProgress(id),
      };
      return {
        name: `deliver ${id}`,
        async run({ signal: closing }) {
          if (closing.aborted) return "over";
          restarting = new AbortController();
          return dispatchOnce(options, { ...shared, closing, restarting: restarting.signal });
        },
        restart: () => restarting.abort(),
      };
    },
    cutOff() {
      for (const requests of leftBehind.values()) requests.cutOff();
    },
  };
}
