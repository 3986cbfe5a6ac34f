import { KildeError } from "../core/errors.ts";

/** Counts the requests that follow a log, so that their number stays bounded. */
export interface FollowerCount {
  /** Takes a place, or throws `too-many-followers`; call what it returns when the follower is gone. */
  enter(): () => void;
  /** How many there are now. */
  count(): number;
}

export function countFollowers(most: number): FollowerCount {
  let count = 0;
  return {
    count: () => count,
    enter() {
      if (count >= most) {
        throw new KildeError("too-many-followers", `${count} requests follow already`, {
          limit: "followers",
        });
      }
      count += 1;
      let left = false;
      return () => {
        if (!left) count -= 1;
        left = true;
      };
    },
  };
}
