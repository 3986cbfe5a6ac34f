/** Turns of subscriptions, so that each stores how far it is before calls or time run out. */
export interface DeliveryTurns {
  /** Subscriptions that are delivered at a time. */
  readonly atOnce: number;
  /** How long one is delivered while others wait, in milliseconds; less if nothing is left of it. */
  readonly turnMs: number;
  /** How often progress is stored, in milliseconds. */
  readonly keepMs: number;
}

/** Whose turn it is, where subscriptions take turns; where they do not (null), all are delivered at once. */
export interface TurnOrder {
  /** The ids that may start, in order, while so many run: those that had the fewest turns first. */
  next(ids: readonly string[], running: number): readonly string[];
  begin(id: string): void;
  /** Something was delivered in the turn of a subscription; one without gets no other turn. */
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
