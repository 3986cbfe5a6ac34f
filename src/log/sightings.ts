import type { Clock } from "../core/clock.ts";
import { type Sighting, sightingsStatement } from "./consumers.ts";
import type { LogAddress } from "./keys.ts";
import type { BatchWriter } from "./writer.ts";

/** What was seen is written together so often: that consumers name themselves must cost appends nothing. */
const FLUSH_MS = 2_000;

/** Sightings at hand; more consumers than that in one turn are seen when they come again. */
const MOST_SIGHTINGS = 10_000;

/** Notes which consumers read, and how far they were sent. */
export interface Sightings {
  /** `sent`: the position that everything asked for was sent up to; null when that cannot be said. */
  saw(log: LogAddress, name: string, sent: number | null): void;
  /** Writes what was seen; before it is asked about, and at the end. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface SightingsDeps {
  readonly writer: BatchWriter;
  readonly clock: Clock;
  /** Most consumers of one log. */
  readonly mostConsumers: number;
}

export function createSightings({ writer, clock, mostConsumers }: SightingsDeps): Sightings {
  let waiting = new Map<string, Sighting>();
  const closed = new AbortController();
  let timer: Promise<void> | null = null;

  const flush = async () => {
    const sightings = [...waiting.values()];
    if (sightings.length === 0) return;
    waiting = new Map();
    // What is lost here is seen again when the consumer next reads.
    await writer
      .write([sightingsStatement(sightings, { nowMs: clock.now(), mostConsumers })])
      .catch(() => {});
  };

  return {
    saw(log, name, sent) {
      const key = `${log.id} ${name}`;
      const earlier = waiting.get(key);
      if (earlier === undefined && waiting.size >= MOST_SIGHTINGS) return;
      const seen = new Date(clock.now()).toISOString();
      waiting.set(key, { log: log.id, name, sent: sent ?? earlier?.sent ?? null, seen });
      timer ??= clock.sleep(FLUSH_MS, closed.signal).then(async () => {
        timer = null;
        await flush();
      });
    },
    flush,
    async close() {
      closed.abort();
      await timer;
      await flush();
    },
  };
}
