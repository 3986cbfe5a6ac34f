import type { LogReader } from "../../log/read/reader.ts";

/** How often events at hand are read again at most, when others of the log are truncated all the time. */
const REREAD_MS = 1_000;

/** Keeps what was truncated or erased out of what is at hand to be delivered, in whichever process it was removed. */
export interface Rereading {
  /** Passes on a read of events; its outcome is read again if events were removed while it was under way. */
  track(read: Promise<void>): Promise<void>;
  /** Reads again if it is time to; gives when it will be, if it has to wait. */
  due(now: number): number | null;
  end(): void;
}

export interface RereadingDeps {
  readonly source: Pick<LogReader, "onRemoval">;
  /** Reads all that is at hand again. */
  readonly reread: () => Promise<void>;
  /** Has `due` called soon. */
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

/** To be made before the first events are read. */
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
    // What these have read may be from before the removal.
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
