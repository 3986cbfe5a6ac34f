import type { BackgroundWork } from "../core/background.ts";
import { deliver, type DeliverOptions, FIND_BEHIND } from "./run.ts";

/** How long it waits before it looks whether all is delivered: looks are calls of the database, which are counted. */
const FIRST_LOOK_MS = 200;
const LAST_LOOK_MS = 2_000;

/** What a delivery that is under way may take beyond a slice. */
const CLOSE_MS = 3_000;

/** Delivers where no process stays up to do it: until nothing is due, or the slice ends. */
export function deliverInSlices(options: DeliverOptions): BackgroundWork {
  const { database, clock, holder } = options;
  const isBehind = async () => (await database.read({ sql: FIND_BEHIND, args: [holder] })).length > 0;
  return {
    name: "deliver",
    async runSlice({ deadline, signal }) {
      const hasTime = () => !signal.aborted && clock.monotonic() < deadline - CLOSE_MS;
      if (!hasTime() || !(await isBehind())) return "idle";
      const delivering = deliver(options);
      let wait = FIRST_LOOK_MS;
      do {
        await clock.sleep(wait, signal);
        wait = Math.min(wait * 2, LAST_LOOK_MS);
      } while (hasTime() && (await isBehind()));
      await delivering.close();
      return "worked";
    },
  };
}
