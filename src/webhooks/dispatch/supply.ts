import { retryAllowance } from "../endpoint/endpoint.ts";
import type { AttemptKind } from "./lanes.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import type { Sender } from "./sender.ts";

/** Lanes that may buffer events they read alone, for each request that may be in flight. */
const LOADS_PER_REQUEST = 2;

/** Ready lanes below which the shared read continues. */
const LOW_WATER = 256;

/** Reads events ahead of their delivery, while there is room for them. */
export interface Supply {
  /** Loads detached lanes, and continues the shared read up to a head. */
  refill(head: number): void;
  /** Whether there is nothing to read up to a head. */
  isIdle(head: number): boolean;
  /** Counts events that were sent. */
  sent(events: number): void;
}

export interface SupplyDeps {
  readonly deliveries: Pick<PendingDeliveries, "lanes" | "sourceReader">;
  readonly sender: Pick<Sender, "endpoint" | "underWay">;
  readonly concurrency: number;
  /** Tracks a read; see `Rereading`. */
  readonly track: (read: Promise<void>) => Promise<void>;
  /** Once it aborts, nothing more is read. */
  readonly signal: AbortSignal;
  /** Called whenever a read ends: the cursor may have moved although nothing was sent. */
  readonly onRead: () => void;
  readonly fail: (error: unknown) => void;
}

export function createSupply(deps: SupplyDeps): Supply {
  const { sender, concurrency } = deps;
  const { lanes, sourceReader } = deps.deliveries;
  const loading = { fresh: 0, retry: 0 };
  let isReading = false;
  /** Negative: the number of events to send before the next check for room. */
  let sinceRoom = 0;

  const read = (under: Promise<void>, onOver: () => void) => {
    deps
      .track(under)
      .finally(() => {
        onOver();
        deps.onRead();
      })
      .catch(deps.fail);
  };

  const load = (kind: AttemptKind): boolean => {
    const lane = deps.signal.aborted ? null : lanes.nextUnloaded(kind);
    if (lane === null) return false;
    loading[kind] += 1;
    read(sourceReader.load(lane), () => {
      loading[kind] -= 1;
    });
    return true;
  };

  const readOn = (head: number) => {
    const isFull = lanes.waiting("fresh") > LOW_WATER || (sinceRoom < 0 && sender.underWay() > 0);
    if (isReading || isFull || deps.signal.aborted || !sourceReader.wants(head)) return;
    if (!sourceReader.hasRoom()) {
      // The check visits all buffered events, so it does not run for each delivery.
      sinceRoom = -LOW_WATER / 4;
      return;
    }
    isReading = true;
    read(sourceReader.readOn(head), () => {
      isReading = false;
    });
  };

  return {
    refill(head) {
      while (loading.fresh < LOADS_PER_REQUEST * concurrency && load("fresh"));
      // No more retries than can be sent soon, since each buffers events.
      const most = LOADS_PER_REQUEST * retryAllowance(sender.endpoint());
      while (loading.retry + lanes.ready("retry") < most && load("retry"));
      readOn(head);
    },
    isIdle: (head) => !isReading && loading.fresh + loading.retry === 0 && !sourceReader.wants(head),
    sent(events) {
      sinceRoom += events;
    },
  };
}
