import type { Clock } from "../core/clock.ts";
import { createDelayedFlush } from "../core/delayed-flush.ts";
import type { BatchWriter } from "../storage/batch-writer.ts";
import { writeUnplanned } from "../storage/batch-writer.ts";
import type { KnownKey } from "./known-keys.ts";

/** A key's last use is stored at most this often. */
const STORE_EVERY_MS = 5 * 60 * 1_000;

/** Last uses within this time share a write. */
const BATCH_MS = 5_000;

const STORE_USES = `
update api_keys set used = noted.used
from (select json_extract(value, '$[0]') as id, json_extract(value, '$[1]') as used from json_each(?1)) as noted
where api_keys.id = noted.id and (api_keys.used is null or api_keys.used < noted.used)`;

/** Stores when keys were last used: in batches, and never while a request waits. */
export interface LastUses {
  /** Notes that a key is used now. */
  note(key: KnownKey): void;
  /** Writes all that is noted, or keeps it for the next time if that fails. */
  flush(): Promise<void>;
  /** Ends writing, after a last flush. */
  close(): Promise<void>;
}

export interface LastUsesDeps {
  readonly writer: Pick<BatchWriter, "write">;
  readonly clock: Clock;
  /** Whether uses are written some seconds later. A worker flushes at the end of an invocation instead. */
  readonly inBackground: boolean;
}

export function createLastUses({ writer, clock, inBackground }: LastUsesDeps): LastUses {
  let noted = new Map<string, number>();

  const flush = async () => {
    if (noted.size === 0) return;
    const writing = noted;
    noted = new Map();
    try {
      await writeUnplanned(writer, [{ sql: STORE_USES, args: [JSON.stringify([...writing])] }]);
    } catch {
      // A failure needs no report of its own: the same failure also fails appends and readiness.
      for (const [id, used] of writing) if (!noted.has(id)) noted.set(id, used);
    }
  };

  const delayed = createDelayedFlush({
    clock,
    inBackground,
    delayMs: () => BATCH_MS,
    isPending: () => noted.size > 0,
    flush,
  });

  return {
    note(key) {
      const now = clock.now();
      if (key.used !== null && Math.abs(now - key.used) < STORE_EVERY_MS) return;
      key.used = now;
      noted.set(key.id, now);
      delayed.later();
    },
    flush,
    close: () => delayed.close(),
  };
}
