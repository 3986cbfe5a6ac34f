import { errorText } from "../core/error-text.ts";
import type { Phase } from "./engine-types.ts";
import { LogRestoredError } from "./restore.ts";
import type { Retirement } from "./retired.ts";

/** The phase of a consumer, and the error that keeps it from continuing. */
export interface Health {
  readonly phase: Phase;
  readonly error: Error | null;
  /** Whether the last attempt failed. */
  readonly isFailing: boolean;
  /** Whether the consumer was started and not stopped. */
  readonly isStarted: boolean;
  /** Throws the error that ended the work on the feed permanently. */
  throwIfEnded(): void;
  /** Records that the handled events cannot be undone. Ignores other errors. */
  endIfRestored(error: unknown): void;
  /** Halts the consumer; false: it was halted already. */
  halt(error: LogRestoredError): boolean;
  /** Records a failure, until something succeeds. */
  fail(error: unknown): void;
  succeed(): void;
  enter(phase: Exclude<Phase, "halted">): void;
}

export function createHealth(retirement: Retirement): Health {
  let phase: Phase = "idle";
  let failure: Error | null = null;
  let ended: LogRestoredError | null = null;
  return {
    get phase() {
      return ended === null && retirement.error === null ? phase : "halted";
    },
    get error() {
      return ended ?? retirement.error ?? failure;
    },
    get isFailing() {
      return failure !== null;
    },
    get isStarted() {
      return phase !== "idle";
    },
    throwIfEnded() {
      if (ended !== null) throw ended;
    },
    endIfRestored(error) {
      if (error instanceof LogRestoredError) ended = error;
    },
    halt(error) {
      const isNews = phase !== "halted";
      phase = "halted";
      failure = error;
      return isNews;
    },
    fail(error) {
      failure = error instanceof Error ? error : new Error(errorText(error), { cause: error });
    },
    succeed() {
      failure = null;
    },
    enter(next) {
      phase = next;
    },
  };
}
