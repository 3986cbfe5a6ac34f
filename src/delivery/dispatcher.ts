import type { Clock } from "../core/clock.ts";
import type { Database } from "../log/database.ts";
import { type Lease, LEASE_MS } from "../log/lease.ts";
import { isRenewed, renewedError } from "../log/failures.ts";
import type { LogReader } from "../log/reader.ts";
import { createAlarm } from "./alarm.ts";
import { type Attempt, createAttempts } from "./attempts.ts";
import { after, allowance, type Endpoint, endpointAtStart, freshProbeAt } from "./endpoint.ts";
import { openOutbox } from "./outbox.ts";
import type { Parcel } from "./parcel.ts";
import type { KeepProgress } from "./progress.ts";
import { createRereading } from "./rereading.ts";
import { deliveryRequest, type OpenSecrets } from "./request.ts";
import type { Send } from "../egress/outgoing.ts";
import type { EndpointTrouble, Subscription } from "./subscription.ts";
import { judge } from "./verdict.ts";

/** How often progress is stored at most, and after how many deliveries at the latest. */
const KEEP_MS = 50;
const KEEP_DELIVERIES = 2_000;

/** What is tolerably late to see: attempts, and a cursor that moves though nothing is delivered. */
const TELL_MS = 1_000;

/** What is sent must be over well before another process may take the lease. */
const LEASE_MARGIN_MS = 1_500;

/** Lanes that may hold events they read by themselves. */
const LOADS_PER_REQUEST = 2;

/** Lanes that are ready when the pass reads on. */
const LOW_WATER = 256;

/** How long requests that are under way may go on when the process ends. */
const CLOSE_GRACE_MS = 5_000;

/**
 * Why dispatching ended: the process does; the subscription was changed, or is another's, or the wall clock was
 * corrected, so that it begins again from what is stored; the log got another identity, so that positions in memory mean
 * something else; storage failed; the endpoint wants no more.
 */
export type DispatchEnd = "closing" | "changed" | "renewed" | "failed" | "gone";

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
  /** Subjects that may be blocked before the pass waits for them. */
  readonly blockedSubjects: number;
  /** The longest `Retry-After` that is honored. */
  readonly mostRetryAfterMs: number;
  readonly signal: AbortSignal;
}

/** Delivers a subscription for as long as it may, beginning with what is stored of it. */
export async function dispatch(
  deps: DispatchDeps,
  subscription: Subscription,
  lease: Lease,
  earlier: readonly Attempt[],
): Promise<DispatchEnd> {
  const { database, clock, chance, source, keepProgress, blockedSubjects, signal } = deps;
  const { id, config, epoch, revision } = subscription;
  const { concurrency } = config;
  const alarm = createAlarm(clock);
  const attempts = createAttempts(earlier);
  /** Something is to be stored; `urgent`: others wait for that. */
  let changed = false;
  let urgent = false;
  const hasten = () => {
    changed = true;
    urgent = true;
  };
  const { identity, ...found } = await source.state();
  let end: DispatchEnd | null = null;
  const fail = (error: unknown) => {
    end ??= isRenewed(error) ? "renewed" : "failed";
    alarm.wake();
  };
  const rereading = createRereading({ source, reread: () => outbox.reread(), wake: alarm.wake, fail });
  const outboxDeps = { database, clock, chance, identity, onFreezing: hasten };
  const outbox = await openOutbox(outboxDeps, subscription).catch((error: unknown) => {
    rereading.end();
    throw error;
  });
  const { lanes, reading } = outbox;

  let { head } = found;
  let endpoint: Endpoint = endpointAtStart(subscription.trouble, {
    concurrency,
    now: clock.now(),
  });
  let underWay = 0;
  let loading = 0;
  let isReading = false;
  let isKeeping = false;
  /** Something was read, and perhaps nothing else happened. */
  let isBehind = false;
  let delivered = 0;
  let sinceRoom = 0;
  let keptAt = clock.now();
  let toldAt = 0;
  let leaseUntil = lease.takenMs + LEASE_MS - LEASE_MARGIN_MS;
  let lastAttempt = 0;
  let nextSend = 0;
  let isStalled = false;

  const over = new AbortController();

  const deliver = async (parcel: Parcel, now: number) => {
    const { message, subject, fresh } = parcel;
    underWay += 1;
    lastAttempt = now;
    const answer = await deps.send(deliveryRequest(config.url, message, deps.secrets, now));
    const ended = clock.now();
    const verdict = judge(answer, { nowMs: ended, mostRetryAfterMs: deps.mostRetryAfterMs });
    const { trouble } = endpoint;
    const isOfOneSubject = subject !== null;
    const happening = { verdict, fresh, isOfOneSubject, underWay, now: ended, chance: chance() };
    endpoint = after(endpoint, happening, concurrency);
    if ((trouble === null) !== (endpoint.trouble === null)) deps.onTrouble(endpoint.trouble);
    underWay -= 1;
    const error =
      verdict.kind === "acknowledged" ? null : verdict.kind === "gone" ? "status 410" : verdict.error;
    attempts.add({ ended, webhookId: message.id, subject, error, durationMs: answer.durationMs });
    parcel.settle(verdict, ended);
    delivered += 1;
    sinceRoom += parcel.events;
    changed = true;
    if (verdict.kind === "gone") end ??= "gone";
    alarm.wake();
  };

  /** Sends as much as the endpoint takes. Gives when it may go on, if that is a matter of time. */
  const sendAll = (now: number): number | null => {
    for (;;) {
      if (now < nextSend) return nextSend;
      const isProbe = endpoint.trouble !== null;
      let parcel: Parcel | null = null;
      if (underWay < allowance(endpoint, now)) {
        parcel = (isProbe ? outbox.next(now, true) : null) ?? outbox.next(now, false);
        if (parcel === null) return null;
      } else if (underWay > 0) {
        return null;
      } else if (freshProbeAt(endpoint, lastAttempt) > now) {
        return freshProbeAt(endpoint, lastAttempt);
      } else {
        parcel = outbox.next(now, true);
        if (parcel === null) return endpoint.until;
      }
      if (config.ratePerMinute !== null) nextSend = now + 60_000 / config.ratePerMinute;
      deliver(parcel, now).catch(fail);
    }
  };

  const loadAll = () => {
    while (loading < LOADS_PER_REQUEST * concurrency) {
      const lane = lanes.nextHungry();
      if (lane === null) return;
      loading += 1;
      rereading
        .track(reading.load(lane))
        .finally(() => {
          loading -= 1;
          // It may be where the pass is now.
          isBehind = true;
          alarm.wake();
        })
        .catch(fail);
    }
  };

  const readOn = () => {
    const isFull = lanes.waiting() > LOW_WATER || (sinceRoom < 0 && underWay > 0);
    if (isReading || isStalled || isFull || !reading.wants(head)) return;
    if (!reading.hasRoom()) {
      // Looking costs as much as there is at hand, so not at each delivery.
      sinceRoom = -LOW_WATER / 4;
      return;
    }
    isReading = true;
    rereading
      .track(reading.readOn(head))
      .finally(() => {
        isReading = false;
        isBehind = true;
        alarm.wake();
      })
      .catch(fail);
  };

  const keep = async () => {
    isKeeping = true;
    const started = clock.now();
    [changed, urgent, isBehind, delivered, keptAt] = [false, false, false, 0, started];
    const tells = started - toldAt >= TELL_MS || end !== null;
    if (tells) toldAt = started;
    const { stored, ...snapshot } = outbox.snapshot();
    const seen = await keepProgress({
      ...snapshot,
      id,
      epoch,
      lease,
      trouble: endpoint.trouble,
      attempts: tells ? attempts.news() : null,
    });
    isKeeping = false;
    leaseUntil = started + LEASE_MS - LEASE_MARGIN_MS;
    if (seen !== revision) end ??= "changed";
    isStalled = lanes.blocked() > blockedSubjects;
    stored();
    alarm.wake();
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
    if (changed) return keptAt + KEEP_MS;
    if (isBehind) return keptAt + TELL_MS;
    // Attempts that came too soon after others to be told of with what was stored for them.
    return attempts.hasNews() ? toldAt + TELL_MS : null;
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
    loadAll();
    readOn();
    if (outbox.compose()) hasten();
    const mayAt = freshProbeAt(endpoint, lastAttempt);
    if (mayAt > now) alarm.at(mayAt);
    // A lease that may have run out is made sure of before anything is sent.
    const next = now < leaseUntil ? sendAll(now) : null;
    if (next !== null && next > now) alarm.at(next);
    const isBusy = underWay > 0 || (mayAt <= now && outbox.isReady(now));
    if (isBusy && leaseUntil - now < LEASE_MS / 2) hasten();
    if (isKeeping) return;
    const at = keepAt(now);
    if (at === null) return;
    if (at <= now) keep().catch(fail);
    else alarm.at(at);
  };

  signal.addEventListener("abort", alarm.wake);
  watch().catch(fail);
  try {
    while (end === null && !signal.aborted) {
      alarm.reset();
      turn();
      await alarm.woken();
    }
    // What is under way may still be acknowledged.
    const deadline = clock.now() + CLOSE_GRACE_MS;
    while (underWay > 0 && clock.now() < deadline) {
      alarm.reset();
      alarm.at(deadline);
      await alarm.woken();
    }
  } finally {
    over.abort();
    rereading.end();
    alarm.close();
    signal.removeEventListener("abort", alarm.wake);
  }
  if (end !== "failed" && end !== "renewed") await keep();
  return end ?? "closing";
}
