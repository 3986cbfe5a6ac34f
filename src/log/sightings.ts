import type { Clock } from "../core/clock.ts";
import { type Sighting, sightingsStatements } from "./consumers.ts";
import { integerAt, textAt } from "./database.ts";
import type { LogAddress } from "./keys.ts";
import type { BatchWriter } from "./writer.ts";

/** What was seen is written together so often: that consumers name themselves must cost appends nothing. */
const FLUSH_MS = 2_000;

/** How long a write of another process may take after it was due. */
const FLUSH_SPARE_MS = 500;

/** Names that are not known yet, of one turn. More are seen when they come again: anybody can invent names. */
const MOST_STRANGERS = 1_000;

/** Notes which consumers read, and how far they were sent. */
export interface Sightings {
  /** `sent`: the position that everything asked for was sent up to; null when that cannot be said. */
  saw(log: LogAddress, name: string, sent: number | null): void;
  /** Writes what was seen; before it is asked about, and at the end. */
  flush(): Promise<void>;
  /** Resolves when everything that any process saw before the call is written. Takes seconds where others may exist. */
  flushEverywhere(): Promise<void>;
  close(): Promise<void>;
}

export interface SightingsDeps {
  readonly writer: BatchWriter;
  readonly clock: Clock;
  /** Most consumers of one log. */
  readonly mostConsumers: number;
  /** Whether other processes may be at work on the database. */
  readonly isShared: boolean;
}

export function createSightings({ writer, clock, mostConsumers, isShared }: SightingsDeps): Sightings {
  /** Consumers that the database has, as far as this process wrote them. Bounded by what the database takes. */
  let known = new Set<string>();
  let waiting = new Map<string, Sighting>();
  let strangers = new Map<string, Sighting>();
  const closed = new AbortController();
  let timer: Promise<void> | null = null;

  const keyOf = (log: number, name: string) => `${log} ${name}`;

  const flush = async () => {
    if (waiting.size + strangers.size === 0) return;
    const statements = sightingsStatements([...waiting.values()], [...strangers.values()], {
      nowMs: clock.now(),
      mostConsumers,
    });
    const asked = [...waiting.keys()];
    waiting = new Map();
    strangers = new Map();
    // What is lost here is seen again when the consumer next reads.
    const written = await writer.write(statements).catch(() => null);
    if (written?.outcome !== "written") return;
    // Another process may have forgotten some to make room.
    const remaining = known.difference(new Set(asked));
    const recorded = written.rows.flat().map((row) => keyOf(integerAt(row, 0), textAt(row, 1)));
    known = remaining.union(new Set(recorded));
  };

  return {
    saw(log, name, sent) {
      const key = keyOf(log.id, name);
      const among = known.has(key) ? waiting : strangers;
      const earlier = among.get(key);
      if (earlier === undefined && among === strangers && strangers.size >= MOST_STRANGERS) return;
      const seen = new Date(clock.now()).toISOString();
      among.set(key, { log: log.id, name, sent: sent ?? earlier?.sent ?? null, seen });
      timer ??= clock.sleep(FLUSH_MS, closed.signal).then(async () => {
        timer = null;
        await flush();
      });
    },
    flush,
    async flushEverywhere() {
      if (isShared) await clock.sleep(FLUSH_MS + FLUSH_SPARE_MS);
      await flush();
    },
    async close() {
      closed.abort();
      await timer;
      await flush();
    },
  };
}
