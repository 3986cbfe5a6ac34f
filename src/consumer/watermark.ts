/** Positions beyond a gap that are remembered; what is left out only keeps the position from going on by itself. */
const MOST_AHEAD = 100_000;

/** The position up to which everything came, when events come in any order. */
export interface Watermark {
  readonly position: number;
  /** Takes note of events that came. */
  came(positions: Iterable<number>): void;
  /** Everything up to a position is known to have come. */
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
