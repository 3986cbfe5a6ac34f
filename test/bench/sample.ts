/** The measurements of one timed run. */
export interface Sample {
  /** Requests, or calls of a client. */
  readonly operations: number;
  readonly events: number;
  readonly seconds: number;
  /** Of each operation, in milliseconds, ascending. */
  readonly latenciesMs: Float64Array;
}

/** Latencies of a run, kept without allocating for each. */
export class Latencies {
  private values = new Float64Array(1 << 16);
  private count = 0;

  add(ms: number): void {
    if (this.count === this.values.length) {
      const grown = new Float64Array(this.count * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.values[this.count] = ms;
    this.count += 1;
  }

  get length(): number {
    return this.count;
  }

  ascending(): Float64Array {
    return this.values.slice(0, this.count).sort();
  }
}

/** The value below which a share of the values lies; 0 when there are none. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0;
}

export function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  const middle = ascending.length >> 1;
  const upper = ascending[middle] ?? 0;
  return ascending.length % 2 === 1 ? upper : (upper + (ascending[middle - 1] ?? 0)) / 2;
}

/**
 * Keeps a number of operations in flight until the time is up. The operation gives the events it moved.
 * It yields to the event loop now and then even when operations never wait: the embedded database answers
 * within the call, and frees what it holds in native memory only between turns.
 */
export async function closedLoop(
  inFlight: number,
  durationMs: number,
  operation: () => Promise<number>,
): Promise<Sample> {
  const latencies = new Latencies();
  let events = 0;
  const started = performance.now();
  const until = started + durationMs;
  const lane = async () => {
    for (let now = started, turn = 0; now < until; turn += 1) {
      // Not `events += await …`, which would add to what it was before the wait.
      const moved = await operation();
      events += moved;
      const done = performance.now();
      latencies.add(done - now);
      if (turn % 1_000 === 999) await new Promise(setImmediate);
      now = performance.now();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - started) / 1_000;
  return { operations: latencies.length, events, seconds, latenciesMs: latencies.ascending() };
}
