/**
 * Limit of remembered positions beyond a gap. A forgotten position only keeps the watermark from advancing
 * automatically.
 */
const MOST_AHEAD = 100_000;

/** The position up to which all events have arrived, when events arrive in any order. */
export interface Watermark {
  readonly position: number;
  /** Records events that arrived. */
  came(positions: Iterable<number>): void;
  /** Records that everything up to a position has arrived. */
  reach(position: number): void;
}

export function createWatermark(start: number): Watermark {
  const ahead = new Set<number>();
  let position = start;
  const goOn = () => {
    while (ahead.delete(position + 1)) position += 1;
  };
  return {
    get position() {
      return position;
    },
    came(positions) {
      for (const each of positions) if (each > position && ahead.size < MOST_AHEAD) ahead.add(each);
      goOn();
    },
    reach(to) {
      if (to <= position) return;
      position = to;
      for (const each of ahead) if (each <= to) ahead.delete(each);
      goOn();
    },
  };
}
