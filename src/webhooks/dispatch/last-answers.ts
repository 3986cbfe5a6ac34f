import type { Clock } from "../../core/clock.ts";
import type { WakeUp } from "../endpoint/wake-up.ts";
import type { Sender } from "./sender.ts";

/**
 * How long requests in flight may take when the process ends, and when another dispatcher follows. Slower ones are cut
 * off in the first case, and left behind in the second. At the end of a turn no dispatcher follows at once, so all of
 * them are awaited.
 */
const CLOSE_GRACE_MS = 5_000;
const CHANGE_GRACE_MS = 1_000;

/** How often the lease is renewed meanwhile. */
const RENEW_MS = 1_000;

export interface LastAnswersDeps {
  readonly clock: Clock;
  readonly wakeUp: WakeUp;
  readonly sender: Pick<Sender, "inFlight">;
  readonly isTurnOver: boolean;
  /** Whether the process ends; this may change while the function waits. */
  readonly isClosing: () => boolean;
  /** Renews the lease by storing progress: another process that took the lease would send to the same subjects. */
  readonly renew: () => void;
}

/** Waits until the requests in flight have ended, or have taken too long. */
export async function awaitLastAnswers(deps: LastAnswersDeps): Promise<void> {
  const { clock, wakeUp, sender } = deps;
  const graceMs = (): number => {
    if (deps.isClosing()) return CLOSE_GRACE_MS;
    return deps.isTurnOver ? Number.POSITIVE_INFINITY : CHANGE_GRACE_MS;
  };
  let graceIsMs = graceMs();
  let sinceMs = clock.now();
  let renewAt = sinceMs + RENEW_MS;
  while (sender.inFlight() > 0) {
    wakeUp.reset();
    const now = clock.now();
    if (graceMs() !== graceIsMs) [graceIsMs, sinceMs] = [graceMs(), now];
    if (now >= sinceMs + graceIsMs) return;
    if (now >= renewAt) {
      renewAt = now + RENEW_MS;
      deps.renew();
    }
    wakeUp.at(Math.min(sinceMs + graceIsMs, renewAt));
    await wakeUp.woken();
  }
}
