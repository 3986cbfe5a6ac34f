import pino, { type Logger } from "pino";

import { repeat } from "../../core/timer.ts";

/** Characters gathered before they are written: a write for each line would cost as much as the request it tells of. */
const GATHERED_CHARACTERS = 8 * 1024;
const FLUSH_INTERVAL_MS = 1_000;

/** Characters that may wait for whoever reads the log; what comes while it does not read on is dropped. */
const WAITING_CHARACTERS = 8 * 1024 * 1024;

export interface ServerLog {
  readonly logger: Logger;
  /** Writes what is still gathered. */
  flush(): void;
}

/** Structured JSON, a line each, on standard output. */
export function createLog(level: string): ServerLog {
  let gathered = "";
  const flush = () => {
    if (gathered === "") return;
    if (process.stdout.writableLength < WAITING_CHARACTERS) process.stdout.write(gathered);
    gathered = "";
  };
  const write = (line: string) => {
    gathered += line;
    if (gathered.length >= GATHERED_CHARACTERS) flush();
  };
  repeat(FLUSH_INTERVAL_MS, flush);
  return { logger: pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write }), flush };
}
