import { onAbort } from "../../core/on-abort.ts";

export interface TabLockOptions {
  readonly locks: LockManager;
  /** Name that only tabs of this store have. */
  readonly name: string;
  /** Ends the wait for the lock, and releases it. */
  readonly signal: AbortSignal;
  /** Works until `held` aborts: another tab took the lock, or `signal` aborted. */
  readonly work: (held: AbortSignal) => Promise<void>;
}

/** The lock of the tab that works for all tabs of a browser. */
export interface TabLock {
  /** Takes the lock from the tab that holds it, which then waits for it again. */
  take(): void;
}

/** Waits for a lock, and works while this tab holds it. */
export function waitForLock({ locks, name, signal, work }: TabLockOptions): TabLock {
  let waiting = new AbortController();
  const ask = (lock: LockOptions): void => {
    const held = new AbortController();
    const forget = onAbort(signal, () => held.abort());
    const run = (): Promise<void> => (held.signal.aborted ? Promise.resolve() : work(held.signal));
    locks
      .request(name, lock, run)
      .catch(() => {
        held.abort();
        // The lock was taken, unless this tab gave up the wait.
        if (lock.signal?.aborted !== true && !signal.aborted) wait();
      })
      .finally(forget);
  };
  const wait = (): void => {
    waiting = new AbortController();
    ask({ signal: waiting.signal });
  };
  onAbort(signal, () => waiting.abort());
  wait();
  return {
    take() {
      waiting.abort();
      ask({ steal: true });
    },
  };
}
