import type { Job } from "../../jobs/job.ts";
import type { Database } from "../../storage/database.ts";
import { deliver, type DeliverOptions, FIND_BEHIND } from "./run.ts";
import type { DeliveryTurns } from "./turn-order.ts";

/** First and longest pause between checks for remaining work. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 500;

/** Time at the end of a slice for requests in flight, at most; half of a short slice. */
const CLOSE_MS = 3_000;

/** A shorter slice starts nothing: hardly a delivery ends within it. */
const SHORTEST_MS = 200;

/** Few at a time: each one that starts must have enough calls left to store its progress. */
const TURNS: DeliveryTurns = { atOnce: 2, turnMs: 2_000, saveMs: 500 };

/** Delivers where no process stays up: until nothing is due, or the slice ends. */
export function deliverInSlices(options: DeliverOptions): Job {
  const { database, clock, holder } = options;
  return {
    name: "deliver",
    async run({ deadline, signal }) {
      // The last calls are for writes: events that are read at the end could not be delivered any more.
      const readable: Database = {
        ...database,
        read: (statement) =>
          signal.aborted ? Promise.reject(new Error("the slice is over")) : database.read(statement),
      };
      const lengthMs = deadline - clock.monotonic();
      const closeMs = Math.min(CLOSE_MS, lengthMs / 2);
      const hasTime = () => !signal.aborted && clock.monotonic() < deadline - closeMs;
      if (!hasTime() || lengthMs < SHORTEST_MS) return "idle";
      const behind = await readable.read({ sql: FIND_BEHIND, args: [holder] });
      if (behind.length === 0) return "idle";
      const delivering = deliver({ ...options, database: readable, turns: TURNS });
      let wait = FIRST_LOOK_MS;
      do {
        await clock.sleep(wait, signal);
        wait = Math.min(wait * 2, LAST_LOOK_MS);
      } while (hasTime() && delivering.isAtWork());
      await delivering.close();
      return delivering.hasWorked() ? "worked" : "idle";
    },
  };
}
