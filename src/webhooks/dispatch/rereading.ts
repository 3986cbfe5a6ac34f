import type { LogReader } from "../../log/read/reader.ts";

/** Shortest time between two rereads of the buffered events, while other events are truncated all the time. */
const REREAD_MS = 1_000;

/** Removes truncated and erased events from the buffers, also when another process removed them. */
export interface Rereading {
  /** Returns a read of events; its outcome is read again if events were removed meanwhile. */
  track(read: Promise<void>): Promise<void>;
  /** Rereads if it is time to; returns the time of the next reread, if one must wait. */
  due(now: number): number | null;
  end(): void;
}

export interface RereadingDeps {
  readonly source: Pick<LogReader, "onRemoval">;
  /** Reads all buffered events again. */
  readonly reread: () => Promise<void>;
  /** Causes a call of `due` soon. */
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

/** Create it before the first events are read. */
export function createRereading({ source, reread, wake, fail }: RereadingDeps): Rereading {
  const reads = new Set<Promise<void>>();
  let isOutdated = false;
  let isReading = false;
  let notBefore = 0;
  const end = source.onRemoval(() => {
    isOutdated = true;
    wake();
  });

  const readAgain = async () => {
    // These reads may have started before the removal.
    const before = Array.from(reads);
    await reread();
    if (before.length === 0) return;
    await Promise.allSettled(before);
    await reread();
  };

  return {
    track(read) {
      reads.add(read);
      return read.finally(() => reads.delete(read));
    },
    due(now) {
      if (!isOutdated || isReading) return null;
      if (now < notBefore) return notBefore;
      isOutdated = false;
      isReading = true;
      notBefore = now + REREAD_MS;
      readAgain()
        .finally(() => {
          isReading = false;
          wake();
        })
        .catch(fail);
      return null;
    },
    end,
  };
}
