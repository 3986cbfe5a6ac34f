import { groupBy } from "../../core/group-by.ts";
import { type Clock, steadyClock } from "../../core/clock.ts";
import { type Database, integerAt, type Row, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import {
  type HasEnded,
  isRunning,
  joinLease,
  NOW,
  releaseLease,
  sleepUnlessEnded,
  takeLease,
  takeOver,
} from "../../storage/lease.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import { dispatch } from "./dispatcher.ts";
import { RETRY_LAST_MS } from "../endpoint/endpoint.ts";
import { openLeasedSubscription } from "./leased-subscription.ts";
import { createLeftBehind, type LeftBehind } from "./left-behind.ts";
import { leaseName } from "../subscriptions/lease-name.ts";
import { createProgressWriter } from "./progress.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import { listAttempts } from "../subscriptions/state.ts";
import { createTurnOrder, type DeliveryTurns } from "./turn-order.ts";
import type { Send } from "../egress/outgoing.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";

/** How often the process looks for subscriptions that are behind and that no process delivers. */
const LOOK_MS = 1_000;
/** A wall clock that differs by more than this from the monotonic clock was corrected. */
const CORRECTION_MS = 2_000;
/** Waits after storage failed, or secrets could not be opened: the first one, which doubles, and the longest. */
const BACKOFF_MS = 1_000;
const LAST_BACKOFF_MS = 10_000;

export type DeliveryRunEvent =
  | { readonly kind: "failed"; readonly subscription: string; readonly error: unknown }
  | { readonly kind: "gone"; readonly subscription: string }
  | { readonly kind: "down"; readonly subscription: string; readonly trouble: EndpointTrouble }
  | { readonly kind: "up"; readonly subscription: string }
  | { readonly kind: "many-blocked"; readonly subscription: string; readonly blocked: number };

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
  readonly onEvent: (event: DeliveryRunEvent) => void;
  /**
   * How subscriptions take turns, where no process stays up. Default: all that are behind are delivered concurrently,
   * without end.
   */
  readonly turns?: DeliveryTurns;
}

/** Deliveries of this process. */
export interface Delivering {
  /** Reports a new or changed subscription, which would otherwise be detected later. */
  changed(subscription: string): void;
  /** Reports new events to deliver. */
  learn(): void;
  /** Resolves when the requests in flight are settled, and releases the leases. */
  close(): Promise<void>;
}

/** Deliveries where subscriptions take turns. */
export interface DeliveringInTurns extends Delivering {
  /** Whether a turn is running, or about to start; otherwise nothing can be delivered now. */
  isAtWork(): boolean;
  /** Whether anything was delivered. */
  hasWorked(): boolean;
}

/**
 * Active subscriptions that are behind: the log has newer events, a subject is due, or a redelivery is in progress. A
 * subject that is due beyond its wait is due now: the clock was ahead when that was stored. Subscriptions are ordered
 * by the last change of their lease's holder, the oldest first: where each turn has a holder of its own, delivery
 * continues where the last turn stopped, and a new or briefly delayed subscription starves no other. Each row states
 * whether the last holder needs no time to continue (it is argument 1, or released the lease, or there was none),
 * whether no other process holds the lease now, and the holder and the token of another's lease.
 */
export const FIND_BEHIND = `
select subscription.id, lease.name is null or lease.holder = ?1 or lease.expires = 0,
  lease.name is null or lease.holder = ?1 or not (${isRunning("lease.expires")}),
  nullif(lease.holder, ?1), lease.token
from subscriptions as subscription
cross join logs as log on log.id = subscription.log
${joinLease("'subscriptions/' || subscription.id")}
where subscription.status = 'active' and (subscription.cursor < log.head or subscription.rewind is not null
  or subscription.batch is not null
  or exists (select 1 from subscription_subjects as lane where lane.subscription = subscription.id
    and (lane.due <= ${NOW} or lane.due > ${NOW} + coalesce(lane.wait, ${RETRY_LAST_MS}))))
order by coalesce(lease.token, 0), subscription.id`;

/** The lease of a row of {@link FIND_BEHIND} that another holder had last; null: there was none. */
function othersLease(row: Row) {
  const name = leaseName(textAt(row, 0));
  return row[3] === null ? null : { name, holder: textAt(row, 3), token: integerAt(row, 4) };
}

/**
 * Pauses a subscription whose endpoint wants no more deliveries. False when the subscription was changed or resumed
 * since it was read: the answer came from its earlier endpoint.
 */
async function pauseGone(
  writer: BatchWriter,
  clock: Clock,
  { id, revision }: Pick<SubscriptionRecord, "id" | "revision">,
): Promise<boolean> {
  const { rows } = await writeUnplanned(writer, [
    {
      sql: `update subscriptions set status = 'paused', reason = 'gone', since = ?2, revision = revision + 1
        where id = ?1 and revision = ?3 and status = 'active' returning 1`,
      args: [id, new Date(clock.now()).toISOString(), revision],
    },
  ]);
  return (rows[0]?.length ?? 0) > 0;
}

/** Delivers every subscription that no other process delivers, until it is closed. */
export function deliver(options: DeliverOptions): DeliveringInTurns {
  const { database, writer, clock, holder, onEvent } = options;
  const hasEnded = options.hasEnded ?? (() => false);
  const saveProgress = createProgressWriter(writer);
  const stopping = new AbortController();
  const running = new Map<string, { readonly restart: () => void; readonly ended: Promise<void> }>();
  const leftBehind = new Map<string, LeftBehind>();
  let behindBefore = new Set<string>();
  /** Leases of other holders, which still have time to deliver the rest. */
  let awaited: NonNullable<ReturnType<typeof othersLease>>[] = [];
  let woken = Promise.withResolvers<void>();
  const turns = options.turns ?? null;
  const order = createTurnOrder(turns);
  let isAtWork = true;

  const leftBehindOf = (id: string): LeftBehind => {
    const found = leftBehind.get(id) ?? createLeftBehind();
    leftBehind.set(id, found);
    return found;
  };

  /** Dispatches once; returns whether to dispatch the subscription again. */
  const deliverOnce = async (id: string, signal: AbortSignal): Promise<boolean> => {
    const asked = { wallMs: clock.now(), monotonicMs: clock.monotonic() };
    const lease =
      (await takeLease(writer, leaseName(id), holder)) ??
      (await takeOver({ database, writer, holder, hasEnded }, leaseName(id)));
    if (lease === null) return false;
    const leased = await openLeasedSubscription(options, id, lease);
    if (leased === null) return false;
    const { subscription, secrets } = leased;
    const sinceAskedMs = () => clock.monotonic() - asked.monotonicMs;
    // The next dispatcher, perhaps in another process, reads the times that this one stores, so both count from the
    // database's clock, as leases do.
    const shared = steadyClock(clock, lease.takenMs + Math.floor(sinceAskedMs()));
    const isClockCorrected = () => Math.abs(clock.now() - asked.wallMs - sinceAskedMs()) > CORRECTION_MS;
    const source = options.readerOf(subscription.log);
    const end = await dispatch(
      {
        ...options,
        clock: shared,
        isClockCorrected,
        source,
        secrets,
        saveProgress,
        signal,
        turns,
        onWork: () => order.worked(id),
        isClosing: () => stopping.signal.aborted,
        leftBehind: leftBehindOf(id),
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
    if (end === "turn-over") return false;
    if (end !== "gone" || !(await pauseGone(writer, clock, subscription))) return true;
    onEvent({ kind: "gone", subscription: id });
    await releaseLease(writer, lease);
    return false;
  };

  const run = async (id: string, restarted: () => AbortSignal) => {
    let backoff = BACKOFF_MS;
    for (;;) {
      const signal = restarted();
      if (stopping.signal.aborted) return;
      try {
        if (!(await deliverOnce(id, signal))) return;
        backoff = BACKOFF_MS;
      } catch (error) {
        onEvent({ kind: "failed", subscription: id, error });
        if (turns !== null) return;
        await clock.sleep(backoff, signal);
        backoff = Math.min(backoff * 2, LAST_BACKOFF_MS);
      }
    }
  };

  const start = (id: string) => {
    order.begin(id);
    let restarting = new AbortController();
    const restarted = () => {
      restarting = new AbortController();
      return AbortSignal.any([restarting.signal, stopping.signal]);
    };
    const ended = run(id, restarted).finally(() => {
      running.delete(id);
      woken.resolve();
    });
    running.set(id, { restart: () => restarting.abort(), ended });
  };

  const look = async () => {
    const rows = await database.read({ sql: FIND_BEHIND, args: [holder] });
    const behind = new Set(rows.map((row) => textAt(row, 0)));
    // The last holder gets time to continue, unless its process has ended; where each turn has a holder of its own,
    // there is no last holder.
    const mayStart = (row: Row) => {
      const others = othersLease(row);
      if (others !== null && hasEnded(others)) return true;
      if (integerAt(row, 2) !== 1) return false;
      return integerAt(row, 1) === 1 || turns !== null || behindBefore.has(textAt(row, 0));
    };
    const idle = groupBy(
      rows.filter((row) => !running.has(textAt(row, 0))),
      mayStart,
    );
    const [startable, others] = [idle.get(true) ?? [], idle.get(false) ?? []];
    const ids = startable.map((row) => textAt(row, 0));
    for (const id of order.next(ids, running.size)) start(id);
    behindBefore = behind;
    awaited = others.map(othersLease).filter((lease) => lease !== null);
    isAtWork = running.size > 0;
  };

  const lookUntilStopped = async () => {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers();
      try {
        await look();
      } catch (error) {
        onEvent({ kind: "failed", subscription: "all", error });
      }
      const done = new AbortController();
      await Promise.race([
        woken.promise,
        sleepUnlessEnded(
          clock,
          LOOK_MS,
          { leases: awaited, hasEnded },
          AbortSignal.any([stopping.signal, done.signal]),
        ),
      ]);
      done.abort();
    }
  };
  const looking = lookUntilStopped();

  return {
    changed(id) {
      running.get(id)?.restart();
      woken.resolve();
    },
    learn: () => woken.resolve(),
    isAtWork: () => isAtWork,
    hasWorked: () => order.hasWorked(),
    async close() {
      stopping.abort();
      await looking;
      await Promise.all(Array.from(running.values(), ({ ended }) => ended));
      for (const requests of leftBehind.values()) requests.cutOff();
    },
  };
}
