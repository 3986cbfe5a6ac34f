import type { Clock } from "../../core/clock.ts";
import { type Lease, LEASE_MS } from "../../storage/lease.ts";
import type { Attempts } from "../subscriptions/attempts.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";
import type { Ending } from "./ending.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import type { SaveProgress } from "./progress.ts";

/** Number of deliveries after which progress is stored at once. */
const SAVE_DELIVERIES = 2_000;

/** So many deliveries since the last save mean that more follow: their progress is stored with that of later ones. */
const BUSY_DELIVERIES = 128;
const BUSY_SAVE_MS = 250;

/** Delay before less urgent progress is stored: attempts, and a cursor that moves without deliveries. */
const REPORT_MS = 1_000;

/** Every request must end well before another process may take the lease. */
const LEASE_MARGIN_MS = 1_500;

/** Changes since progress was last stored. */
export interface Unsaved {
  hasChanged: boolean;
  /** Deliveries wait until it is stored. */
  isUrgent: boolean;
  /** Events were read, and perhaps nothing else happened. */
  hasRead: boolean;
  delivered: number;
}

export function nothingUnsaved(): Unsaved {
  return { hasChanged: false, isUrgent: false, hasRead: false, delivered: 0 };
}

export function markUrgent(unsaved: Unsaved): void {
  unsaved.hasChanged = true;
  unsaved.isUrgent = true;
}

/** Stores the progress of a dispatcher, and renews its lease with it. One write is in flight at a time. */
export interface ProgressSaver {
  /** When progress must be stored; null: there is none. */
  dueAt(now: number): number | null;
  /** The write in flight. */
  writing(): Promise<void> | null;
  /** Starts a write; none may be in flight. */
  start(): void;
  /** Stores progress after the end; the lease is released with it on demand. */
  saveLast(releasesLease: boolean): Promise<void>;
  /** Until when a request may be sent: the lease may have expired then. */
  leaseUntil(): number;
  isLeaseLost(): boolean;
}

export interface ProgressSaverDeps {
  readonly clock: Clock;
  readonly subscription: SubscriptionRecord;
  readonly lease: Lease;
  readonly saveProgress: SaveProgress;
  readonly unsaved: Unsaved;
  readonly attempts: Attempts;
  readonly deliveries: Pick<PendingDeliveries, "snapshot" | "countedDue">;
  readonly trouble: () => EndpointTrouble | null;
  /** Longest delay before progress is stored, in milliseconds. */
  readonly saveMs: number;
  /** Whether subscriptions take turns. */
  readonly isTurn: boolean;
  readonly ending: Pick<Ending, "reason" | "endFor" | "fail">;
  /** Called when a write that was started is acknowledged. */
  readonly onSaved: () => void;
  readonly wake: () => void;
}

interface SaverState {
  savedAt: number;
  /** When the attempts were last stored. */
  reportedAt: number;
  leaseUntil: number;
  isLeaseLost: boolean;
  writing: Promise<void> | null;
}

function leaseEnd(renewedMs: number): number {
  return renewedMs + LEASE_MS - LEASE_MARGIN_MS;
}

/** Stores progress, which counts as stored only when the write is acknowledged. */
async function save(deps: ProgressSaverDeps, state: SaverState, isLast: boolean): Promise<void> {
  const { subscription, lease, attempts, ending } = deps;
  const started = deps.clock.now();
  Object.assign(deps.unsaved, nothingUnsaved());
  state.savedAt = started;
  const isReport = started - state.reportedAt >= REPORT_MS || isLast || ending.reason() !== null;
  if (isReport) state.reportedAt = started;
  const unsavedAttempts = isReport ? attempts.unsaved() : null;
  const { acknowledge, ...snapshot } = deps.deliveries.snapshot(deps.trouble(), started);
  const storedRevision = await deps.saveProgress({
    ...snapshot,
    id: subscription.id,
    epoch: subscription.epoch,
    lease,
    isLast,
    attempts: unsavedAttempts?.list ?? null,
    kept: unsavedAttempts?.kept ?? [],
  });
  if (storedRevision !== subscription.revision) ending.endFor("changed");
  state.isLeaseLost = storedRevision === null;
  if (state.isLeaseLost) return;
  state.leaseUntil = leaseEnd(started);
  acknowledge();
  unsavedAttempts?.acknowledge();
}

export function createProgressSaver(deps: ProgressSaverDeps): ProgressSaver {
  const { unsaved, attempts, saveMs } = deps;
  const state: SaverState = {
    savedAt: deps.clock.now(),
    reportedAt: 0,
    leaseUntil: leaseEnd(deps.lease.takenMs),
    isLeaseLost: false,
    writing: null,
  };
  return {
    dueAt(now) {
      if (unsaved.isUrgent || unsaved.delivered >= SAVE_DELIVERIES) return now;
      if (unsaved.hasChanged) {
        const isBusy = unsaved.delivered >= BUSY_DELIVERIES && !deps.isTurn;
        return state.savedAt + (isBusy ? BUSY_SAVE_MS : saveMs);
      }
      if (unsaved.hasRead) return state.savedAt + REPORT_MS;
      // Attempts that arrived after the last save are written by the next one.
      if (attempts.hasUnsaved()) return state.reportedAt + REPORT_MS;
      return deps.deliveries.countedDue(now, deps.isTurn);
    },
    writing: () => state.writing,
    start() {
      state.writing = save(deps, state, false)
        .then(deps.onSaved, deps.ending.fail)
        .finally(() => {
          state.writing = null;
          deps.wake();
        });
    },
    saveLast: (releasesLease) => save(deps, state, releasesLease),
    leaseUntil: () => state.leaseUntil,
    isLeaseLost: () => state.isLeaseLost,
  };
}
