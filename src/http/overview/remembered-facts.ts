import type { AppDeps } from "../deps.ts";
import { type OverviewFacts, readFacts } from "./facts.ts";

/**
 * Facts are used for a hundred times as long as it took to read them. So however many senders ask, and however many consumers
 * and subscriptions a store has, the overview takes one percent of the time of this process.
 */
const USES = 100;

interface Remembered {
  readonly facts: Promise<OverviewFacts>;
  /** On the monotonic clock, when they are read again. */
  untilMs: number;
}

const REMEMBERED = new WeakMap<AppDeps, Remembered>();

/** Returns the state of a store as of now, or of a moment ago. */
export function rememberedFacts(deps: AppDeps): Promise<OverviewFacts> {
  const { clock } = deps;
  const beganMs = clock.monotonic();
  const last = REMEMBERED.get(deps);
  if (last !== undefined && beganMs < last.untilMs) return last.facts;
  const next: Remembered = { facts: readFacts(deps), untilMs: Number.POSITIVE_INFINITY };
  REMEMBERED.set(deps, next);
  void next.facts.then(
    () => {
      const nowMs = clock.monotonic();
      next.untilMs = nowMs + USES * (nowMs - beganMs);
    },
    () => {
      // The next request reads again.
      next.untilMs = beganMs;
    },
  );
  return next.facts;
}
