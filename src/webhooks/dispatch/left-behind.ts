/**
 * Requests of a subscription that were still in flight when their dispatcher ended, in this process. The next
 * dispatcher sends no events of their subjects before they end, so that a subject never has two requests.
 */
export interface LeftBehind {
  has(subject: number): boolean;
  /** Adds a request, with the function that cuts it off; returns the function to call when it ends. */
  add(subjects: readonly number[], cut: () => void): () => void;
  /** Cuts off all requests: no dispatcher of this process follows that would wait for them. */
  cutOff(): void;
  /** Calls a function whenever a request ends; returns the function that stops this. */
  onOver(call: () => void): () => void;
}

export function createLeftBehind(): LeftBehind {
  /** Number of requests by subject. */
  const requests = new Map<number, number>();
  const calls = new Set<() => void>();
  const cuts = new Set<() => void>();
  return {
    has: (subject) => requests.has(subject),
    cutOff() {
      for (const cut of Array.from(cuts)) cut();
    },
    add(subjects, cut) {
      cuts.add(cut);
      for (const subject of subjects) requests.set(subject, (requests.get(subject) ?? 0) + 1);
      return () => {
        cuts.delete(cut);
        for (const subject of subjects) {
          const left = (requests.get(subject) ?? 0) - 1;
          if (left > 0) requests.set(subject, left);
          else requests.delete(subject);
        }
        for (const call of calls) call();
      };
    },
    onOver(call) {
      calls.add(call);
      return () => void calls.delete(call);
    },
  };
}
