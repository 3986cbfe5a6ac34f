import { useSignal } from "@preact/signals";

import { useConsole } from "./console-context.ts";

/** A request that changes something, and its error. */
export interface Action {
  /** Whether it is under way. */
  readonly isBusy: boolean;
  /** Error of the last time; null: it succeeded, or was not tried. */
  readonly error: unknown;
  /** Starts the work, unless another one is under way. Never rejects. */
  readonly run: (work: () => Promise<void>) => void;
}

/** Runs changes one at a time, and keeps the error of the last one. */
export function useAction(): Action {
  const { session } = useConsole();
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);

  const start = async (work: () => Promise<void>): Promise<void> => {
    isBusy.value = true;
    error.value = null;
    try {
      await work();
    } catch (failure) {
      session.note(failure);
      error.value = failure;
    } finally {
      isBusy.value = false;
    }
  };
  return {
    isBusy: isBusy.value,
    error: error.value,
    run: (work) => {
      if (!isBusy.peek()) void start(work);
    },
  };
}
