import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";
import { startLoop } from "../../jobs/loop.ts";
import { charactersOf, type Statement } from "../database.ts";

/** Characters of arguments after which a checkpoint starts: about 4,000 events of 250 bytes. */
const CHARACTERS = 1_000_000;

/** Shortest pause between checkpoints, so that pages that are written repeatedly are copied once. */
const REST_MS = 200;

/** Delays after a checkpoint that failed. Until one succeeds, the commit that finds the log full copies it. */
const BACKOFF = { firstMs: REST_MS, lastMs: 10_000 };

/** Each pass copies the pages that were written during the previous one, which are fewer and fewer. */
const PASSES = 3;

export interface CheckpointerDeps {
  /** Copies the write-ahead log into the database, in the background. */
  readonly checkpoint: () => Promise<void>;
  /** Copies the rest of the log between two writes, so that the log restarts from its beginning. */
  readonly finish: () => Promise<void>;
  readonly clock: Clock;
  readonly chance: () => number;
  /** Called after each checkpoint that failed: it loses no data, and delays writers at most. */
  readonly onFailure: (error: unknown) => void;
}

export interface Checkpointer {
  /** Counts a write that was committed. */
  record(statements: readonly Statement[]): void;
  /** Resolves when no checkpoint is running; none follows. */
  close(): Promise<void>;
}

/**
 * Copies the write-ahead log before it is full. In a large store the commit that finds it full, and all that wait for
 * that commit, would otherwise stand still for a tenth of a second. Writers wait only for the last pass, which is short
 * and lets the log restart.
 */
export function startCheckpointer({
  checkpoint,
  finish,
  clock,
  chance,
  onFailure,
}: CheckpointerDeps): Checkpointer {
  /** Written since the last checkpoint. */
  let characters = 0;
  const job: Job = {
    name: "checkpoint",
    async run() {
      if (characters < CHARACTERS) return "idle";
      for (let pass = 0; pass < PASSES; pass += 1) await checkpoint();
      await finish();
      characters = 0;
      return { restMs: REST_MS };
    },
  };
  const loop = startLoop(job, { clock, chance, backoff: BACKOFF, onFailure });
  return {
    record(statements) {
      characters += charactersOf(statements);
      if (characters >= CHARACTERS) loop.wake();
    },
    close: () => loop.close(),
  };
}
