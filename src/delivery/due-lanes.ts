import type { Lane } from "./lane.ts";

/** Lanes that wait for a time, in the order of their times: a binary heap. */
export interface DueLanes {
  /** Adds a lane at the time that its `due` states. A lane that is in the heap at that time is not added twice. */
  add(lane: Lane): void;
  /** Removes and returns a lane whose time has come; null when there is none. The caller checks whether it still waits. */
  next(now: number): Lane | null;
  /** When the next lane is due; infinity when none waits. */
  soonest(): number;
}

interface Entry {
  readonly due: number;
  readonly lane: Lane;
}

export function createDueLanes(): DueLanes {
  const heap: Entry[] = [];

  const swap = (a: number, b: number) => {
    const [left, right] = [heap[a], heap[b]];
    if (left === undefined || right === undefined) return;
    heap[a] = right;
    heap[b] = left;
  };
  const dueAt = (place: number) => heap[place]?.due ?? Number.POSITIVE_INFINITY;

  const rise = (from: number) => {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (dueAt(parent) <= dueAt(place)) return;
      swap(place, parent);
      place = parent;
    }
  };

  const sink = () => {
    let place = 0;
    for (;;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      const child = dueAt(right) < dueAt(left) ? right : left;
      if (dueAt(place) <= dueAt(child)) return;
      swap(place, child);
      place = child;
    }
  };

  return {
    add(lane) {
      if (lane.due === null || lane.alarm === lane.due) return;
      lane.alarm = lane.due;
      heap.push({ due: lane.due, lane });
      rise(heap.length - 1);
    },
    next(now) {
      const [first] = heap;
      if (first === undefined || first.due > now) return null;
      const last = heap.pop();
      if (last !== undefined && last !== first) {
        heap[0] = last;
        sink();
      }
      if (first.lane.alarm === first.due) first.lane.alarm = null;
      return first.lane;
    },
    soonest: () => dueAt(0),
  };
}
