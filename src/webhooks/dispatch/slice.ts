import type { Job } from "../../jobs/job.ts";
import type { Database } from "../../storage/database.ts";
import { findBehind } from "./behind.ts";
import { createSubscriptionJobs, type DeliverOptions } from "./subscription-job.ts";
import { createRoundRobin, type TurnLimits } from "./round-robin.ts";

/** How often a slice looks for more subscriptions while others are delivered. */
const LOOK_MS = 1_000;

/** Time at the end of a slice for requests in flight, at most; half of a short slice. */
const CLOSE_MS = 3_000;

/** A shorter slice starts nothing: hardly a delivery ends within it. */
const SHORTEST_MS = 200;

/** Few at a time: each one that starts must have enough calls left to store its progress. */
const TURNS: TurnLimits = { concurrency: 2, turnMs: 2_000, saveMs: 500 };

/** The turns of subscriptions within one slice. */
function openTurns(options: DeliverOptions, deadline: number) {
  const { clock, holder, database, onEvent } = options;
  const roundRobin = createRoundRobin(TURNS);
  const jobs = createSubscriptionJobs(options, {
    turns: TURNS,
    onProgress: (id) => roundRobin.recordProgress(id),
  });
  const ending = new AbortController();
  const slice = { deadline, signal: ending.signal };
  const running = new Map<string, Promise<void>>();

  /** A subscription that was changed meanwhile continues its turn from the stored state. */
  const takeTurn = async (id: string) => {
    const job = jobs.create(id);
    try {
      while ((await job.run(slice)) === "progressed");
    } catch (error) {
      onEvent({ kind: "failed", subscription: id, error });
    }
    running.delete(id);
  };

  return {
    /** Starts turns of subscriptions that no other process delivers; returns whether any is running. */
    async start(): Promise<boolean> {
      const behind = await findBehind(database, holder);
      const ids = behind.flatMap(({ id, isFree }) => (isFree && !running.has(id) ? [id] : []));
      for (const id of roundRobin.startable(ids, running.size)) {
        roundRobin.recordStart(id);
        running.set(id, takeTurn(id));
      }
      return running.size > 0;
    },
    /** Resolves when one of the turns ends, or after `ms`. */
    async wait(ms: number, signal: AbortSignal): Promise<void> {
      const over = new AbortController();
      await Promise.race([...running.values(), clock.sleep(ms, AbortSignal.any([signal, over.signal]))]);
      over.abort();
    },
    hasProgressed: () => roundRobin.hasProgressed(),
    /** Resolves when the requests in flight are settled. */
    async close(): Promise<void> {
      ending.abort();
      await Promise.all(running.values());
      jobs.cutOff();
    },
  };
}

/**
 * Delivers where no process stays up: until nothing is due, or the slice ends. Subscriptions take turns, each by the same
 * job as in a server (`run.ts`).
 */
export function deliverInSlices(options: Omit<DeliverOptions, "hasEnded">): Job {
  const { database, clock } = options;
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
      const leftMs = () => (signal.aborted ? 0 : deadline - closeMs - clock.monotonic());
      if (leftMs() <= 0 || lengthMs < SHORTEST_MS) return "idle";
      const turns = openTurns({ ...options, database: readable }, deadline);
      try {
        while (leftMs() > 0 && (await turns.start())) await turns.wait(Math.min(LOOK_MS, leftMs()), signal);
      } catch (error) {
        // The slice may end while it looks.
        if (!signal.aborted) throw error;
      } finally {
        await turns.close();
      }
      return turns.hasProgressed() ? "progressed" : "idle";
    },
  };
}
