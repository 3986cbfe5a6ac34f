import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";

/** Interval between the beats of followers, in milliseconds. */
const BEAT_MS = 5_000;

/** A request that follows a log. */
export interface Follower {
  /** Ends the request with the events that it has so far. */
  end(): void;
  /** Called every five seconds. */
  beat(): void;
}

/** The requests that follow a log. Their number is bounded, and one timer serves them all. */
export interface Followers {
  /**
   * Takes a place, or throws `too-many-followers`. Returns a function that frees the place. A follower that enters
   * after `closing` aborted must check for that.
   */
  enter(follower: Follower): () => void;
  /** Number of current followers. */
  count(): number;
}

export interface FollowersDeps {
  readonly clock: Clock;
  /** Ends all followers when it aborts. */
  readonly closing: AbortSignal;
  readonly most: number;
}

export function createFollowers({ clock, closing, most }: FollowersDeps): Followers {
  const present = new Set<Follower>();
  let nobody: AbortController | null = null;

  const endAll = () => {
    for (const follower of Array.from(present)) follower.end();
  };

  const beatWhile = async ({ signal }: AbortController) => {
    for (;;) {
      await clock.sleep(BEAT_MS, signal);
      if (signal.aborted) return;
      for (const follower of Array.from(present)) {
        try {
          follower.beat();
        } catch {
          // Its stream accepts nothing any more. The other followers still get their heartbeats.
          follower.end();
        }
      }
    }
  };

  const leave = (follower: Follower) => {
    present.delete(follower);
    if (present.size > 0) return;
    nobody?.abort();
    nobody = null;
    closing.removeEventListener("abort", endAll);
  };

  return {
    count: () => present.size,
    enter(follower) {
      if (present.size >= most) {
        throw new KildeError("too-many-followers", `${present.size} requests follow already`, {
          limit: "followers",
        });
      }
      present.add(follower);
      if (nobody === null) {
        nobody = new AbortController();
        closing.addEventListener("abort", endAll);
        void beatWhile(nobody);
      }
      return () => leave(follower);
    },
  };
}
