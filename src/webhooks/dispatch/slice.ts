import type { Job } from "../../jobs/job.ts";
import type { Database } from "../../storage/database.ts";
import { deliver, type DeliverOptions, FIND_BEHIND } from "./run.ts";
import type { DeliveryTurns } from "./turn-order.ts";

/** How long it waits before it looks whether anything is left to be done now. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 500;

/** What of a slice is left to deliveries that are under way, at most; of a short one it is half. */
const CLOSE_MS = 3_000;

/** A slice that is shorter begins nothing: hardly a delivery ends within it. */
const SHORTEST_MS = 200;

/** Few at a time: each that begins has to have the calls that it takes to store how far it came. */
const TURNS: DeliveryTurns = { atOnce: 2, turnMs: 2_000, keepMs: 500 };

/** Delivers where no process stays up to do it: until nothing is due, or the slice ends. */
export function deliverInSlices(options: DeliverOptions): Job {
  const { database, clock, holder } = options;
  return {
    name: "deliver",
    async run({ deadline, signal }) {
      // The last calls are for writing: nothing that is read in the end could still be delivered.
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
