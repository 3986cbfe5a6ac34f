/**
 * Numbered slots ordered by time: a binary heap of numbers, without an object for each entry. It contains a slot at
 * most once.
 */
export interface DueHeap {
  /** Adds a slot; infinity: it is never due. */
  add(slot: number, due: number): void;
  remove(slot: number): void;
  /** The slot with the earliest time; null when the heap is empty. */
  first(): number | null;
  /** Time of the first slot; infinity when the heap is empty. */
  soonest(): number;
  /** Makes room for more slots, all below `capacity`. */
  grow(capacity: number): void;
}

export function createDueHeap(capacity: number): DueHeap {
  let size = 0;
  let slots = new Int32Array(capacity);
  /** By slot: its time, and its index in the heap plus one; 0: it is not in the heap. */
  let times = new Float64Array(capacity);
  let places = new Int32Array(capacity);

  const slotAt = (place: number) => slots[place] ?? 0;
  const timeAt = (place: number) =>
    place < size ? (times[slotAt(place)] ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;

  const put = (place: number, slot: number) => {
    slots[place] = slot;
    places[slot] = place + 1;
  };

  const swap = (a: number, b: number) => {
    const [left, right] = [slotAt(a), slotAt(b)];
    put(a, right);
    put(b, left);
  };

  const rise = (from: number) => {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (timeAt(parent) <= timeAt(place)) return;
      swap(place, parent);
      place = parent;
    }
  };

  const sink = (from: number) => {
    let place = from;
    for (;;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      const child = timeAt(right) < timeAt(left) ? right : left;
      if (timeAt(place) <= timeAt(child)) return;
      swap(place, child);
      place = child;
    }
  };

  return {
    add(slot, due) {
      times[slot] = due;
      put(size, slot);
      size += 1;
      rise(size - 1);
    },
    remove(slot) {
      const place = (places[slot] ?? 0) - 1;
      if (place < 0) return;
      places[slot] = 0;
      size -= 1;
      if (place === size) return;
      put(place, slotAt(size));
      rise(place);
      sink(place);
    },
    first: () => (size === 0 ? null : slotAt(0)),
    soonest: () => timeAt(0),
    grow(larger) {
      const [oldSlots, oldTimes, oldPlaces] = [slots, times, places];
      slots = new Int32Array(larger);
      times = new Float64Array(larger);
      places = new Int32Array(larger);
      slots.set(oldSlots);
      times.set(oldTimes);
      places.set(oldPlaces);
    },
  };
}
