/** Limits of turns, so that each subscription stores its progress before calls or time run out. */
export interface TurnLimits {
  /** Subscriptions that are delivered at a time. */
  readonly concurrency: number;
  /** How long one is delivered while others wait, in milliseconds; less if it catches up. */
  readonly turnMs: number;
  /** How often progress is stored, in milliseconds. */
  readonly saveMs: number;
}

/** Gives turns to subscriptions: those with the fewest turns are first. */
export interface RoundRobin {
  /** The ids that may start a turn, in order, while `running` others have one. */
  startable(ids: readonly string[], running: number): readonly string[];
  /** Records the start of a turn. */
  recordStart(id: string): void;
  /** Records that a turn made progress; a subscription whose turn made none gets no other turn. */
  recordProgress(id: string): void;
  /** Whether any turn made progress. */
  hasProgressed(): boolean;
}

export function createRoundRobin({ concurrency }: Pick<TurnLimits, "concurrency">): RoundRobin {
  const turns = new Map<string, number>();
  /** Subscriptions whose last turn has made no progress. */
  const idle = new Set<string>();
  let hasProgressed = false;
  return {
    startable(ids, running) {
      const waiting = ids.filter((id) => !idle.has(id));
      waiting.sort((a, b) => (turns.get(a) ?? 0) - (turns.get(b) ?? 0));
      return waiting.slice(0, Math.max(0, concurrency - running));
    },
    recordStart(id) {
      turns.set(id, (turns.get(id) ?? 0) + 1);
      idle.add(id);
    },
    recordProgress(id) {
      hasProgressed = true;
      idle.delete(id);
    },
    hasProgressed: () => hasProgressed,
  };
}
