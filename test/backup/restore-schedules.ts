import fc from "fast-check";

import { openApp, type TestApp } from "../support/app.ts";
import { openRestorable, type Restorable } from "../support/restorable.ts";

export interface ScheduleSizes {
  readonly runs: number;
  readonly actions: number;
}

/** Runs random schedules, each with two servers on a database of its own that is restored beneath them. */
export async function checkSchedules<Action>(
  action: fc.Arbitrary<Action>,
  { runs, actions }: ScheduleSizes,
  runSchedule: (
    schedule: readonly Action[],
    restorable: Restorable,
    nodes: readonly TestApp[],
  ) => Promise<void>,
): Promise<void> {
  const schedules = fc.array(action, { minLength: actions / 2, maxLength: actions });
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      const restorable = await openRestorable();
      const { database } = restorable;
      const nodes = [
        await openApp({ database, pollIntervalMs: 2 }),
        await openApp({ database, pollIntervalMs: 2 }),
      ];
      try {
        await runSchedule(schedule, restorable, nodes);
      } finally {
        for (const one of nodes) await one.close();
        restorable.dispose();
      }
    }),
    { numRuns: runs },
  );
}
