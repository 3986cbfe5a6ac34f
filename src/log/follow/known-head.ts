import type { LogState } from "../log-state.ts";

/** The last known head and identity of a log, and the followers that wait for a later head. */
export interface KnownHead {
  readonly head: number;
  /** Empty before it is known. */
  readonly identity: string;
  readonly isAwaited: boolean;
  /** Takes over a state that the database has, and returns whether it is new. */
  advance(state: LogState): boolean;
  /**
   * Resolves when the head has passed `position`, when the signal aborts, or when the log gets another identity; gives
   * the last known head. `onWait` is called when it does not resolve at once.
   */
  passed(position: number, signal: AbortSignal, onWait: () => void): Promise<number>;
  close(): void;
}

/** `onRenewed` is called when the log has another identity, before followers wake. */
export function createKnownHead(onRenewed: () => void): KnownHead {
  let head = 0;
  let identity = "";
  let isClosed = false;
  const waiters = new Set<() => void>();

  const wakeAll = () => {
    for (const wake of Array.from(waiters)) wake();
  };

  return {
    get head() {
      return head;
    },
    get identity() {
      return identity;
    },
    get isAwaited() {
      return waiters.size > 0;
    },
    advance(seen) {
      if (seen.identity === identity && seen.head <= head) return false;
      const isRenewed = seen.identity !== identity;
      ({ head, identity } = seen);
      if (isRenewed) onRenewed();
      wakeAll();
      return true;
    },
    passed(position, signal, onWait) {
      if (head > position || signal.aborted || isClosed) return Promise.resolve(head);
      const known = identity;
      const isRenewed = () => known !== "" && identity !== known;
      return new Promise((resolve) => {
        const wake = () => {
          if (head <= position && !isRenewed() && !signal.aborted && !isClosed) return;
          waiters.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve(head);
        };
        waiters.add(wake);
        signal.addEventListener("abort", wake);
        onWait();
      });
    },
    close() {
      isClosed = true;
      wakeAll();
    },
  };
}
