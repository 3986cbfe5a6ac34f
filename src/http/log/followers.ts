import type { Access } from "../../access/access.ts";
import type { Principal } from "../../access/principal.ts";
import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import { endedAccess, onAccessEnd } from "../pipeline/access-end.ts";

/** Interval between the beats of followers, in milliseconds. */
const BEAT_MS = 5_000;

/** A request that follows a log. */
export interface Follower {
  /** Ends the request with the events that it has so far. */
  end(): void;
  /** Ends the request because its sender may not read any more. The error is what a new request is answered. */
  refuse(error: KildeError): void;
  /** Called every five seconds. */
  beat(): void;
}

/** The requests that follow a log. Their number is bounded, and one timer serves them all. */
export interface Followers {
  /**
   * Takes a place, or throws `too-many-followers`, or `unauthenticated` if the access of the sender has ended since the
   * request began. Returns a function that frees the place. A follower that enters after `closing` aborted must check
   * for that.
   */
  enter(follower: Follower, sender: Principal): () => void;
  /** Number of current followers. */
  count(): number;
}

export interface FollowersDeps {
  readonly clock: Clock;
  /** Ends all followers when it aborts. */
  readonly closing: AbortSignal;
  readonly most: number;
  readonly access: Pick<Access, "watch" | "refreshed">;
  /** Whether the store is open now to senders without credentials. */
  readonly isOpen: () => boolean;
}

export function createFollowers(deps: FollowersDeps): Followers {
  const { clock, closing, most, access, isOpen } = deps;
  const present = new Map<Follower, Principal>();
  let nobody: AbortController | null = null;

  const endAll = () => {
    for (const follower of Array.from(present.keys())) follower.end();
  };

  /**
   * Ends the followers that entered while the store was open, if it is not any more. Nothing watches for that between
   * beats, so that open stores pay one query in five seconds.
   */
  const refuseUnknown = async () => {
    // A database that cannot be read now is read at the next beat.
    if (isOpen()) await access.refreshed()?.catch(() => {});
    if (isOpen()) return;
    for (const [follower, sender] of Array.from(present))
      if (sender.kind === "anybody") follower.refuse(endedAccess(sender));
  };

  const beatWhile = async ({ signal }: AbortController) => {
    for (;;) {
      await clock.sleep(BEAT_MS, signal);
      if (signal.aborted) return;
      void refuseUnknown();
      for (const follower of Array.from(present.keys())) {
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
    enter(follower, sender) {
      if (present.size >= most) {
        throw new KildeError("too-many-followers", `${present.size} requests follow already`, {
          limit: "followers",
        });
      }
      const stopWatching = onAccessEnd(access, sender, (error) => follower.refuse(error));
      present.set(follower, sender);
      if (nobody === null) {
        nobody = new AbortController();
        closing.addEventListener("abort", endAll);
        void beatWhile(nobody);
      }
      return () => {
        stopWatching();
        leave(follower);
      };
    },
  };
}
