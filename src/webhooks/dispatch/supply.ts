import { retryAllowance } from "../endpoint/endpoint.ts";
import type { TurnKind } from "./lanes.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import type { Sender } from "./sender.ts";

/** Lanes that may hold events they read alone, for each request that may be under way. */
const LOADS_PER_REQUEST = 2;

/** Lanes that are ready when the pass reads on. */
const LOW_WATER = 256;

/** Reads what is to be sent, as far ahead as there is room for it. */
export interface Supply {
  /** Reads for lanes that stand apart, and reads the pass on up to a head. */
  refill(head: number): void;
  /** Whether there is nothing to read up to a head. */
  isIdle(head: number): boolean;
  /** So many events were sent. */
  sent(events: number): void;
}

export interface SupplyDeps {
  readonly outbox: Pick<PendingDeliveries, "lanes" | "reading">;
  readonly sender: Pick<Sender, "endpoint" | "underWay">;
  readonly concurrency: number;
  /** Passes on a read; see `Rereading`. */
  readonly track: (read: Promise<void>) => Promise<void>;
  /** Once it aborts, nothing more is read. */
  readonly signal: AbortSignal;
  /** Called whenever a read is over: the cursor may have moved though nothing was sent. */
  readonly onRead: () => void;
  readonly fail: (error: unknown) => void;
}

export function createSupply(deps: SupplyDeps): Supply {
  const { sender, concurrency } = deps;
  const { lanes, reading } = deps.outbox;
  const loading = { fresh: 0, retry: 0 };
  let isReading = false;
  /** Negative: so many events have to be sent before it is worth while to look for room again. */
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

  const load = (kind: TurnKind): boolean => {
    const lane = deps.signal.aborted ? null : lanes.nextHungry(kind);
    if (lane === null) return false;
    loading[kind] += 1;
    read(reading.load(lane), () => {
      loading[kind] -= 1;
    });
    return true;
  };

  const readOn = (head: number) => {
    const isFull = lanes.waiting("fresh") > LOW_WATER || (sinceRoom < 0 && sender.underWay() > 0);
    if (isReading || isFull || deps.signal.aborted || !reading.wants(head)) return;
    if (!reading.hasRoom()) {
      // Looking costs as much as there is at hand, so not at each delivery.
      sinceRoom = -LOW_WATER / 4;
      return;
    }
    isReading = true;
    read(reading.readOn(head), () => {
      isReading = false;
    });
  };

  return {
    refill(head) {
      while (loading.fresh < LOADS_PER_REQUEST * concurrency && load("fresh"));
      // Of those that are tried again, no more than can be sent soon: each holds events.
      const most = LOADS_PER_REQUEST * retryAllowance(sender.endpoint());
      while (loading.retry + lanes.ready("retry") < most && load("retry"));
      readOn(head);
    },
    isIdle: (head) => !isReading && loading.fresh + loading.retry === 0 && !reading.wants(head),
    sent(events) {
      sinceRoom += events;
    },
  };
}
