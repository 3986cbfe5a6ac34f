/** Turns of subscriptions, so that each stores its progress before calls or time run out. */
export interface DeliveryTurns {
  /** Subscriptions that are delivered at a time. */
  readonly atOnce: number;
  /** How long one is delivered while others wait, in milliseconds; less if it catches up. */
  readonly turnMs: number;
  /** How often progress is stored, in milliseconds. */
  readonly saveMs: number;
}

/** The order of turns of subscriptions; without turns (null), all are delivered at once. */
export interface TurnOrder {
  /** The ids that may start, in order, while `running` others run: those with the fewest turns first. */
  next(ids: readonly string[], running: number): readonly string[];
  begin(id: string): void;
  /** Records a delivery in the turn of a subscription; one without a delivery gets no other turn. */
  worked(id: string): void;
  hasWorked(): boolean;
}

export function createTurnOrder(turns: DeliveryTurns | null): TurnOrder {
  const taken = new Map<string, number>();
  const idle = new Set<string>();
  let hasWorked = false;
  if (turns === null) {
    return { next: (ids) => ids, begin: () => {}, worked: () => {}, hasWorked: () => true };
  }
  return {
    next(ids, running) {
      const waiting = ids.filter((id) => !idle.has(id));
      waiting.sort((a, b) => (taken.get(a) ?? 0) - (taken.get(b) ?? 0));
      return waiting.slice(0, Math.max(0, turns.atOnce - running));
    },
    begin(id) {
      taken.set(id, (taken.get(id) ?? 0) + 1);
      idle.add(id);
    },
    worked(id) {
      hasWorked = true;
      idle.delete(id);
    },
    hasWorked: () => hasWorked,
  };
}
