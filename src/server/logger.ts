import pino, { type Logger } from "pino";

/** Bytes gathered before they are written: a write for each line would cost as much as the request it tells of. */
const BUFFER_BYTES = 8 * 1024;
const FLUSH_INTERVAL_MS = 1_000;

export interface ServerLog {
  readonly logger: Logger;
  /** Writes what is still gathered. */
  flush(): void;
}

/** Structured JSON, a line each, on standard output. */
export function createLog(level: string): ServerLog {
  const destination = pino.destination({ fd: 1, sync: true, minLength: BUFFER_BYTES });
  // Nobody reads on: that is no reason to stop serving.
  destination.on("error", () => {});
  const flush = () => {
    try {
      destination.flushSync();
    } catch {
      // The pipe is full or gone; what is gathered stays for the next time.
    }
  };
  setInterval(flush, FLUSH_INTERVAL_MS).unref();
  return {
    logger: pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination),
    flush,
  };
}
