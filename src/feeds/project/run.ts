import type { Clock } from "../../core/clock.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { FeedDeps } from "./commit.ts";
import {
  type HasEnded,
  isFreeFor,
  lastHolder,
  type Lease,
  LEASE_MS,
  releaseLease,
  sleepUnlessEnded,
  takeLease,
  takeOver,
} from "../../storage/lease.ts";
import { currentRank } from "../contract/contract.ts";
import { createProjector } from "./projector.ts";
import type { Step } from "./step.ts";
import { type FeedStatus, readFeed } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";

/** What is tolerably late to see a cursor that lags though nothing is to be published. */
const FLUSH_MS = 250;

/** How often it looks whether a feed that is halted, or emptied, is to go on. */
const HALTED_MS = 500;

/** How often it looks whether a feed that another release projects can be projected here again. */
const SUPERSEDED_MS = 1_000;

/** How often it looks whether the feed that it is projected from is live. */
const PENDING_MS = 250;

/** How often a draft with nothing to do looks whether it is to be built anew. */
const DRAFT_MS = 500;

/** How often the progress of a build is told. */
const PROGRESS_MS = 5_000;

/** After storage failed. */
const BACKOFF_MS = 1_000;

/** A build takes one part in this many of the writer's time while others append much, and more the less they append. */
const BUILD_SHARE = 6;

/** Events a second that are much to append: more than a few clients append that wait for each answer. */
const MUCH_APPENDED = 2_000;

export interface RunDeps extends FeedDeps {
  readonly clock: Clock;
  /** Name of this process among those on the database. */
  readonly holder: string;
  /** Default: no holder is known to have ended, so that each lease lasts until it expires. */
  readonly hasEnded?: HasEnded;
  /** Reader of the feed's source; its news are what wakes the projection. */
  readonly source: LogReader;
  readonly signal: AbortSignal;
  /** Told of each thing that went wrong, and of halts and ends of builds. */
  readonly onEvent: (event: RunEvent) => void;
}

export type RunEvent =
  | { readonly kind: "live"; readonly feed: string }
  | {
      readonly kind: "building";
      readonly feed: string;
      readonly cursor: number;
      readonly head: number;
      readonly eventsPerSecond: number;
      readonly secondsLeft: number | null;
    }
  /** What this process may publish, or project at all, is less than another release has published. */
  | { readonly kind: "older" | "superseded"; readonly feed: string }
  | { readonly kind: "halted"; readonly feed: string; readonly position: number; readonly message: string }
  | { readonly kind: "failed"; readonly feed: string; readonly error: unknown };

/** Projects a feed for as long as the signal lets it, whenever this process holds the lease. */
export async function runFeed(deps: RunDeps, registered: RegisteredFeed): Promise<void> {
  const { clock, database, writer, holder, source, signal, onEvent } = deps;
  const hasEnded = deps.hasEnded ?? (() => false);
  const { log, feed, tracked, contract } = registered;
  const projector = createProjector(deps, registered);
  let lease: Lease | null = null;
  let retry = true;
  let flush = false;
  /**
   * Since when the cursor lags. Requests for subjects of a tracked feed wait for the cursor, so it is written in time also
   * while others append what the feed does not read.
   */
  let unwrittenMs: number | null = null;
  let superseded = false;
  /** The source's head at the last step, and when that was; null: it is not known how much was appended since. */
  let seen: { readonly head: number; readonly ms: number } | null = null;
  let wasBuilding = false;
  /** Nobody else is known to hold it. */
  let fresh = true;

  const take = async () => takeLease(writer, log.name, holder, await currentRank(database, registered));

  /** Renews the lease, unless another process has taken it. */
  const retake = async (): Promise<Lease | null> =>
    (await lastHolder(database, log.name))?.holder === holder ? take() : null;

  /** Gives the holder the time to project; no longer when its process ends. */
  const waitForHolder = async () => {
    const last = await lastHolder(database, log.name);
    const leases = last === null || last.holder === holder ? [] : [last];
    await sleepUnlessEnded(clock, LEASE_MS / 5, { leases, hasEnded }, signal);
  };

  /**
   * Takes the lease when there is something to do and its holder, who was given the time, does not do it; waits
   * otherwise. A holder with nothing to do does not renew, and goes on as long as nobody needed to take over.
   */
  const obtain = async (): Promise<Lease | null> => {
    const last = await lastHolder(database, log.name);
    // The newest release does not wait for an older one to be late.
    if (last !== null && last.holder !== holder && last.rank < (await currentRank(database, registered)))
      return take();
    const isBehind = async () => {
      const record = await readFeed(database, log);
      if (record === null || record.status !== "live" || record.cursor < (await source.head())) return true;
      return tracked && record.traced !== null;
    };
    if (!(await isBehind())) await idle((await readFeed(database, log))?.cursor ?? 0);
    if (!fresh) await waitForHolder();
    fresh = false;
    if (signal.aborted || !(await isBehind())) return null;
    const rank = await currentRank(database, registered);
    if (await isFreeFor(database, log.name, holder, rank)) return take();
    return takeOver({ database, writer, holder, hasEnded }, log.name, rank);
  };

  const passed = (position: number, ms: number | null) => {
    if (ms === null) return source.passed(position, signal);
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    return Promise.race([source.passed(position, either), clock.sleep(ms, either)]).finally(() =>
      done.abort(),
    );
  };

  const idle = (position: number) => passed(position, feed.draft ? DRAFT_MS : null);

  const waitWhile = async (status: FeedStatus) => {
    while (!signal.aborted && (await readFeed(database, log))?.status === status)
      await clock.sleep(HALTED_MS, signal);
    projector.forget();
  };

  /** A feed that is halted still erases what is erased in its source, and goes on when that is what it failed at. */
  const waitWhileHalted = async () => {
    while (!signal.aborted && lease !== null && (await readFeed(database, log))?.status === "halted") {
      const step = await projector.step({ lease, retry: false, flush: false });
      if (step.kind === "outdated") lease = await retake();
      else if (step.kind === "halted") await clock.sleep(HALTED_MS, signal);
    }
    projector.forget();
  };

  /** How much others have appended to the source since the last step: from 0, nothing, to 1, much. */
  const appendLoad = (head: number): number => {
    const before = seen;
    seen = { head, ms: clock.monotonic() };
    if (before === null) return 0;
    const perSecond = ((head - before.head) * 1_000) / Math.max(1, seen.ms - before.ms);
    return Math.min(1, Math.max(0, perSecond / MUCH_APPENDED));
  };

  let toldMs = clock.monotonic();
  const tellProgress = ({ cursor, head, rate }: Extract<Step, { kind: "projected" }>) => {
    if (clock.monotonic() - toldMs < PROGRESS_MS) return;
    toldMs = clock.monotonic();
    const secondsLeft = rate < 1 ? null : Math.ceil((head - cursor) / rate);
    const eventsPerSecond = Math.round(rate);
    onEvent({ kind: "building", feed: feed.path, cursor, head, eventsPerSecond, secondsLeft });
  };

  /** What is to be waited for after a step. */
  const rest = async (step: Step): Promise<void> => {
    switch (step.kind) {
      case "projected": {
        if (wasBuilding && !step.building) onEvent({ kind: "live", feed: feed.path });
        wasBuilding = step.building;
        if (step.building) tellProgress(step);
        const pauseMs = step.writeMs * (BUILD_SHARE - 1) * appendLoad(step.head);
        if (step.building && pauseMs > 0) await clock.sleep(pauseMs, signal);
        else await clock.yield();
        return;
      }
      case "caught-up":
        seen = null;
        if (step.unwritten) {
          unwrittenMs ??= clock.monotonic();
          await passed(step.position, FLUSH_MS);
          const isLate = tracked && clock.monotonic() - unwrittenMs >= FLUSH_MS;
          flush = isLate || (await source.head()) === step.position;
        } else await (step.pending ? passed(step.position, PENDING_MS) : idle(step.position));
        if (!step.unwritten || flush) unwrittenMs = null;
        if (feed.draft) projector.forget();
        return;
      case "maintained":
        // In turns with the appends of others.
        await clock.sleep(step.writeMs, signal);
        return;
      case "halted":
        onEvent({
          kind: "halted",
          feed: feed.path,
          position: step.failure.position,
          message: step.failure.message,
        });
        await waitWhileHalted();
        return;
      case "emptied":
        await waitWhile("rebuilding");
        return;
      case "outdated":
        // Most likely a subject was hydrated, and the lease is still this process's.
        lease = await retake();
        return;
      case "superseded":
        if (!superseded) onEvent({ kind: "superseded", feed: feed.path });
        superseded = true;
        if (lease !== null) await releaseLease(writer, lease);
        lease = null;
        await clock.sleep(SUPERSEDED_MS, signal);
        return;
      case "gone":
        return;
    }
  };

  if (contract.standing === "older") onEvent({ kind: "older", feed: feed.path });
  while (!signal.aborted) {
    try {
      if (lease === null) {
        lease = await obtain();
        // What another process failed at may succeed here.
        retry = true;
      }
      if (lease === null) continue;
      const step = await projector.step({ lease, retry, flush });
      if (step.kind !== "outdated" && step.kind !== "maintained") retry = false;
      flush = false;
      if (step.kind === "gone") break;
      await rest(step);
    } catch (error) {
      lease = null;
      onEvent({ kind: "failed", feed: feed.path, error });
      await clock.sleep(BACKOFF_MS, signal);
    }
  }
  await projector.settle();
  if (lease !== null) await releaseLease(writer, lease).catch(() => {});
}
