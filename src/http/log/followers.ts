import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";

/** How often followers are told that time goes by. */
const BEAT_MS = 5_000;

/** A request that follows a log. */
export interface Follower {
  /** Sends it away with what it has. */
  end(): void;
  /** Called every five seconds. */
  beat(): void;
}

/** The requests that follow a log: their number is bounded, and one timer serves them all. */
export interface Followers {
  /**
   * Takes a place, or throws `too-many-followers`; call what it returns when the follower is gone. Who comes after the
   * closing has to see that by itself.
   */
  enter(follower: Follower): () => void;
  /** How many there are now. */
  count(): number;
}

export interface FollowersDeps {
  readonly clock: Clock;
  /** Ends all followers. */
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
          // Its stream takes nothing any more. The others' heartbeats go on.
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
