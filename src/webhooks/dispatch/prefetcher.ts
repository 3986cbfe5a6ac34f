import { retryAllowance } from "../endpoint/endpoint.ts";
import type { AttemptKind } from "./lane-table.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import type { Sender } from "./sender.ts";

/** Lanes that may buffer events they read alone, for each request that may be in flight. */
const LOADS_PER_REQUEST = 2;

/**
 * A read of so many events means that more arrive all the time: the next read waits, so that it has hundreds of them, and
 * not those of one commit. Reads of fewer events follow at once.
 */
const STEADY_EVENTS = 16;
const STEADY_READ_MS = 10;

/** As many unread events are read without waiting. */
const ENOUGH_EVENTS = 256;

/** Ready lanes below which the shared read continues. */
const FEW_READY_LANES = 256;

/** Reads events ahead of their delivery, while there is room for them. */
export interface Prefetcher {
  /** Loads detached lanes, and continues the shared read up to a head. */
  fill(head: number, now: number): void;
  /** Until when the shared read waits for more events than a head brings; 0: it does not wait. */
  waitsUntil(head: number): number;
  /** Whether there is nothing to read up to a head. */
  isIdle(head: number): boolean;
  /** Counts events that were sent. */
  countSent(events: number): void;
}

export interface PrefetcherDeps {
  readonly deliveries: Pick<PendingDeliveries, "lanes" | "sourceReader">;
  readonly sender: Pick<Sender, "endpoint" | "inFlight">;
  readonly concurrency: number;
  /** Whether the shared read may wait for more events. */
  readonly mayWait: boolean;
  /** Tracks a read; see `Rereading`. */
  readonly track: (read: Promise<void>) => Promise<void>;
  /** Once it aborts, nothing more is read. */
  readonly signal: AbortSignal;
  /** Called whenever a read ends: the cursor may have moved although nothing was sent. */
  readonly onRead: () => void;
  readonly fail: (error: unknown) => void;
}

export function createPrefetcher(deps: PrefetcherDeps): Prefetcher {
  const { sender, concurrency, mayWait } = deps;
  const { lanes, sourceReader } = deps.deliveries;
  const loading = { fresh: 0, retry: 0 };
  let isReading = false;
  /** Events sent since there was no room; negative: as many must be sent before the next check. */
  let sentSinceCheck = 0;
  /** Until when the shared read waits, unless there are enough events. */
  let readAfter = 0;

  const follow = (read: Promise<void>, onEnd: () => void) => {
    deps
      .track(read)
      .finally(() => {
        onEnd();
        deps.onRead();
      })
      .catch(deps.fail);
  };

  const load = (kind: AttemptKind): boolean => {
    const lane = deps.signal.aborted ? null : lanes.nextUnloaded(kind);
    if (lane === null) return false;
    loading[kind] += 1;
    follow(sourceReader.load(lane), () => {
      loading[kind] -= 1;
    });
    return true;
  };

  const waitsUntil = (head: number): number => {
    const isEnough = head - sourceReader.frontier() >= ENOUGH_EVENTS || sourceReader.rewind() !== null;
    return isEnough ? 0 : readAfter;
  };

  const readNext = (head: number, now: number) => {
    const isFull = lanes.queued("fresh") > FEW_READY_LANES || (sentSinceCheck < 0 && sender.inFlight() > 0);
    if (isReading || isFull || deps.signal.aborted || !sourceReader.hasMore(head)) return;
    if (now < waitsUntil(head)) return;
    if (!sourceReader.hasRoom()) {
      // The check visits all buffered events, so it does not run for each delivery.
      sentSinceCheck = -FEW_READY_LANES / 4;
      return;
    }
    isReading = true;
    const unread = head - sourceReader.frontier();
    if (mayWait && unread >= STEADY_EVENTS) readAfter = now + STEADY_READ_MS;
    follow(sourceReader.readNext(head), () => {
      isReading = false;
    });
  };

  return {
    fill(head, now) {
      while (loading.fresh < LOADS_PER_REQUEST * concurrency && load("fresh"));
      // No more retries than can be sent soon, since each buffers events.
      const most = LOADS_PER_REQUEST * retryAllowance(sender.endpoint());
      while (loading.retry + lanes.ready("retry") < most && load("retry"));
      readNext(head, now);
    },
    waitsUntil,
    isIdle: (head) => !isReading && loading.fresh + loading.retry === 0 && !sourceReader.hasMore(head),
    countSent(events) {
      sentSinceCheck += events;
    },
  };
}
