import type { Clock } from "../core/clock.ts";
import type { Database } from "../log/database.ts";
import { type Lease, LEASE_MS } from "../log/lease.ts";
import type { LogReader } from "../log/reader.ts";
import { type Attempt, createAttempts } from "./attempts.ts";
import { createBatches } from "./batches.ts";
import { createDoorbell } from "./doorbell.ts";
import { after, allowance, type Endpoint, endpointAtStart, freshProbeAt } from "./endpoint.ts";
import type { Lane } from "./lane.ts";
import { createLaneParcels } from "./lane-parcels.ts";
import { createLanes } from "./lanes.ts";
import type { Parcel } from "./parcel.ts";
import { createPass } from "./pass.ts";
import type { KeepProgress } from "./progress.ts";
import { createReading } from "./reading.ts";
import { deliveryRequest, type OpenSecrets } from "./request.ts";
import { createRinging } from "./ringing.ts";
import { readLanes } from "./record.ts";
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
 * Why dispatching ended: the process does; the subscription was changed, or is another's; storage failed; the endpoint
 * wants no more.
 */
export type DispatchEnd = "closing" | "changed" | "failed" | "gone";

export interface DispatchDeps {
  readonly database: Database;
  readonly clock: Clock;
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
  const { id, config, log, cursor, epoch, revision } = subscription;
  const { mode, filter, concurrency } = config;
  const pass = createPass({ database, log, filter });
  const lanes = createLanes(await readLanes(database, id));
  const held: Lane[] = [];
  const attempts = createAttempts(earlier);
  const retrying = { subscription: id, attempts: config.attempts, chance };
  const batches =
    mode.kind === "batch"
      ? createBatches(lanes, {
          ...retrying,
          limits: mode,
          begun: await pass.readPositions(subscription.batch?.positions ?? []),
          onDone() {
            for (const lane of held.splice(0)) lanes.place(lane, clock.now());
          },
        })
      : null;
  const doorbell =
    mode.kind === "doorbell" ? createDoorbell({ subscription: id, source: log.name, cursor, chance }) : null;
  const parcels = createLaneParcels(lanes, {
    ...retrying,
    mode,
    isElsewhere: (subject) => batches?.has(subject) === true,
    onHeld: (lane) => held.push(lane),
    onFreezing: () => hasten(),
  });
  const walkDeps = { database, log, filter };
  const reading =
    doorbell === null
      ? createReading(
          { ...walkDeps, pass, lanes, batches, now: () => clock.now() },
          { cursor, rewind: subscription.rewind },
        )
      : createRinging(walkDeps, doorbell, cursor);

  let head = await source.head();
  let endpoint: Endpoint = endpointAtStart(subscription.trouble, concurrency);
  let underWay = 0;
  let loading = 0;
  let isReading = false;
  let isKeeping = false;
  /** Something is to be stored; `urgent`: others wait for that. */
  let changed = false;
  let urgent = false;
  /** The pass went on, and perhaps nothing else. */
  let isBehind = false;
  let delivered = 0;
  let sinceRoom = 0;
  let keptAt = clock.now();
  let toldAt = 0;
  let leaseUntil = clock.now() + LEASE_MS - LEASE_MARGIN_MS;
  let lastAttempt = 0;
  let nextSend = 0;
  let nextDue: number | null = 0;
  let isStalled = false;
  let end: DispatchEnd | null = null;

  const hasten = () => {
    changed = true;
    urgent = true;
  };

  let woken = Promise.withResolvers<void>();
  const wake = () => woken.resolve();
  const over = new AbortController();
  let timer = new AbortController();
  let armed = Number.POSITIVE_INFINITY;
  /** Sees to a turn at a time, if none is due before. */
  const arm = (at: number) => {
    if (at >= armed) return;
    timer.abort();
    timer = new AbortController();
    armed = at;
    void clock.sleep(Math.max(0, at - clock.now()), timer.signal).then(() => {
      if (armed !== at) return;
      armed = Number.POSITIVE_INFINITY;
      wake();
    });
  };

  const fail = () => {
    end ??= "failed";
    wake();
  };

  const deliver = async (parcel: Parcel, now: number) => {
    const { message, subject, fresh } = parcel;
    underWay += 1;
    lastAttempt = now;
    const answer = await deps.send(deliveryRequest(config.url, message, deps.secrets, now));
    const ended = clock.now();
    const verdict = judge(answer, ended);
    const { trouble } = endpoint;
    endpoint = after(endpoint, { verdict, fresh, underWay, now: ended, chance: chance() }, concurrency);
    if ((trouble === null) !== (endpoint.trouble === null)) deps.onTrouble(endpoint.trouble);
    underWay -= 1;
    const error =
      verdict.kind === "acknowledged" ? null : verdict.kind === "gone" ? "status 410" : verdict.error;
    attempts.add({ ended, webhookId: message.id, subject, error, durationMs: answer.durationMs });
    parcel.settle(verdict, ended);
    delivered += 1;
    sinceRoom += 1;
    changed = true;
    if (verdict.kind === "gone") end ??= "gone";
    if (verdict.kind === "refused") nextDue = nextDue === null ? ended : Math.min(nextDue, ended);
    wake();
  };

  const nextParcel = (now: number, freshOnly: boolean): Parcel | null =>
    doorbell?.next(now) ?? batches?.next() ?? parcels.next(now, freshOnly);

  /** Sends as much as the endpoint takes. Gives when it may go on, if that is a matter of time. */
  const sendAll = (now: number): number | null => {
    for (;;) {
      if (now < nextSend) return nextSend;
      const isProbe = endpoint.trouble !== null;
      let parcel: Parcel | null = null;
      if (underWay < allowance(endpoint, now)) {
        parcel = (isProbe ? nextParcel(now, true) : null) ?? nextParcel(now, false);
        if (parcel === null) return null;
      } else if (underWay > 0) {
        return null;
      } else if (freshProbeAt(endpoint, lastAttempt) > now) {
        return freshProbeAt(endpoint, lastAttempt);
      } else {
        parcel = nextParcel(now, true);
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
      reading
        .load(lane)
        .finally(() => {
          loading -= 1;
          wake();
        })
        .catch(fail);
    }
  };

  const readOn = () => {
    if (isReading || isStalled || sinceRoom < 0 || lanes.waiting() > LOW_WATER || !reading.wants(head))
      return;
    if (!reading.hasRoom()) {
      // Looking costs as much as there is at hand, so not at each delivery.
      sinceRoom = -LOW_WATER / 4;
      return;
    }
    isReading = true;
    reading
      .readOn(head)
      .finally(() => {
        isReading = false;
        isBehind = true;
        wake();
      })
      .catch(fail);
  };

  const keep = async () => {
    isKeeping = true;
    const started = clock.now();
    [changed, urgent, isBehind, delivered, keptAt] = [false, false, false, 0, started];
    const tells = started - toldAt >= TELL_MS || end !== null;
    if (tells) toldAt = started;
    const frozenBatch = batches?.frozen() ?? null;
    const { upTo, upserts, deletes, frozen } = lanes.snapshot(reading.frontier());
    const waiting = batches?.firstWaiting() ?? null;
    const seen = await keepProgress({
      id,
      epoch,
      lease,
      cursor: doorbell?.rung() ?? (waiting === null ? upTo : Math.min(upTo, waiting - 1)),
      rewind: reading.rewind(),
      batch: frozenBatch,
      trouble: endpoint.trouble,
      upserts,
      deletes,
      attempts: tells ? attempts.news() : null,
    });
    isKeeping = false;
    leaseUntil = started + LEASE_MS - LEASE_MARGIN_MS;
    if (seen !== revision) end ??= "changed";
    isStalled = lanes.blocked() > blockedSubjects;
    if (frozenBatch !== null) batches?.stored(frozenBatch);
    for (const lane of frozen) {
      lane.freezing = false;
      lanes.place(lane, clock.now());
    }
    wake();
    return seen !== null;
  };

  const watch = async () => {
    while (!over.signal.aborted) {
      await source.passed(head, over.signal);
      head = Math.max(head, await source.head());
      wake();
    }
  };

  const turn = () => {
    const now = clock.now();
    if (nextDue !== null && nextDue <= now) nextDue = lanes.due(now);
    if (nextDue !== null) arm(nextDue);
    loadAll();
    readOn();
    if (batches?.compose() === true) hasten();
    const mayAt = freshProbeAt(endpoint, lastAttempt);
    if (mayAt > now) arm(mayAt);
    const canSend = lanes.waiting() > 0 || batches?.isReady() === true || doorbell?.isReady(now) === true;
    // A lease that may have run out is made sure of before anything is sent.
    const next = now < leaseUntil ? sendAll(now) : null;
    if (next !== null && next > now) arm(next);
    if (doorbell !== null && doorbell.due() > now) arm(doorbell.due());
    const isBusy = underWay > 0 || (canSend && mayAt <= now);
    if (isBusy && leaseUntil - now < LEASE_MS / 2) hasten();
    if (isKeeping || !(changed || isBehind)) return;
    const keepAt = urgent || delivered >= KEEP_DELIVERIES ? now : keptAt + (changed ? KEEP_MS : TELL_MS);
    if (keepAt <= now) keep().catch(fail);
    else arm(keepAt);
  };

  for (const lane of lanes.all.values()) lanes.place(lane, clock.now());
  signal.addEventListener("abort", wake);
  watch().catch(fail);
  while (end === null && !signal.aborted) {
    woken = Promise.withResolvers();
    turn();
    await woken.promise;
  }
  // What is under way may still be acknowledged.
  const deadline = clock.now() + CLOSE_GRACE_MS;
  while (underWay > 0 && clock.now() < deadline) {
    woken = Promise.withResolvers();
    arm(deadline);
    await woken.promise;
  }
  over.abort();
  timer.abort();
  signal.removeEventListener("abort", wake);
  if (end !== "failed") await keep();
  return end ?? "closing";
}
