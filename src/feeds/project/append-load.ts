import type { Clock } from "../../core/clock.ts";

/** Events a second that are a full load: more than a few clients append that wait for each answer. */
const FULL_LOAD = 2_000;

/** How much other processes and requests append to a feed's source. */
export interface AppendLoad {
  /** The load since the last call, from 0 (nothing) to 1 (full). `head`: of the source, now. */
  measure(head: number): number;
  /** Starts over, because the projection waited and does not know how the events arrived. */
  reset(): void;
}

export function createAppendLoad(clock: Clock): AppendLoad {
  let before: { readonly head: number; readonly ms: number } | null = null;
  return {
    measure(head) {
      const last = before;
      const ms = clock.monotonic();
      before = { head, ms };
      if (last === null) return 0;
      const perSecond = ((head - last.head) * 1_000) / Math.max(1, ms - last.ms);
      return Math.min(1, Math.max(0, perSecond / FULL_LOAD));
    },
    reset() {
      before = null;
    },
  };
}
