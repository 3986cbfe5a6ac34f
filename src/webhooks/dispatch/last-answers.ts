import type { Clock } from "../../core/clock.ts";
import type { Alarm } from "../endpoint/alarm.ts";
import type { Sender } from "./sender.ts";

/**
 * How long requests that are under way may take when the process ends, and when the dispatcher begins again. What takes
 * longer is cut off in the one case, and left behind in the other. At the end of a turn nothing is sent again at once, so
 * all of them are waited for.
 */
const CLOSE_GRACE_MS = 5_000;
const CHANGE_GRACE_MS = 1_000;

/** How often the lease is renewed meanwhile. */
const RENEW_MS = 1_000;

export interface LastAnswersDeps {
  readonly clock: Clock;
  readonly alarm: Alarm;
  readonly sender: Pick<Sender, "underWay">;
  readonly isTurnOver: boolean;
  /** Whether the process ends, which it may begin to do meanwhile. */
  readonly isClosing: () => boolean;
  /** Renews the lease by storing progress: another process that took the lease would send to the same subjects. */
  readonly renew: () => void;
}

/** Waits until the requests under way are over, or they have taken too long. */
export async function awaitLastAnswers(deps: LastAnswersDeps): Promise<void> {
  const { clock, alarm, sender } = deps;
  const graceMs = (): number => {
    if (deps.isClosing()) return CLOSE_GRACE_MS;
    return deps.isTurnOver ? Number.POSITIVE_INFINITY : CHANGE_GRACE_MS;
  };
  let graceIsMs = graceMs();
  let sinceMs = clock.now();
  let renewAt = sinceMs + RENEW_MS;
  while (sender.underWay() > 0) {
    alarm.reset();
    const now = clock.now();
    if (graceMs() !== graceIsMs) [graceIsMs, sinceMs] = [graceMs(), now];
    if (now >= sinceMs + graceIsMs) return;
    if (now >= renewAt) {
      renewAt = now + RENEW_MS;
      deps.renew();
    }
    alarm.at(Math.min(sinceMs + graceIsMs, renewAt));
    await alarm.woken();
  }
}
