/** A first-in, first-out queue whose operations take constant time on average. */
export interface FifoQueue<Item> {
  size(): number;
  push(item: Item): void;
  /** Removes and returns the first item; null when the queue is empty. */
  shift(): Item | null;
}

/** Removed items are dropped from the array when there are this many of them, and they are half of it. */
const COMPACT_ITEMS = 1_024;

export function createFifoQueue<Item>(): FifoQueue<Item> {
  let items: Item[] = [];
  let first = 0;
  return {
    size: () => items.length - first,
    push: (item) => void items.push(item),
    shift() {
      const item = items[first];
      if (item === undefined) return null;
      first += 1;
      if (first === items.length) {
        items = [];
        first = 0;
      } else if (first >= COMPACT_ITEMS && first * 2 >= items.length) {
        items = items.slice(first);
        first = 0;
      }
      return item;
    },
  };
}
