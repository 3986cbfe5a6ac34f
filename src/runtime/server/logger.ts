import pino, { type Logger } from "pino";

import { repeat } from "../../core/timer.ts";
import { loggedError } from "./logged-error.ts";

/** Characters buffered before a write: a write for each line would cost as much as the request that it describes. */
const GATHERED_CHARACTERS = 8 * 1024;
const FLUSH_INTERVAL_MS = 1_000;

/** Most characters that wait for a slow reader of the log; later lines are dropped until it reads again. */
const WAITING_CHARACTERS = 8 * 1024 * 1024;

export interface ServerLog {
  readonly logger: Logger;
  /** Writes the buffered lines. */
  flush(): void;
}

/**
 * Creates a log that writes JSON lines to standard output. With `format`, a person reads there: each line is formatted, and
 * written at once.
 */
export function createLog(level: string, format: ((line: string) => string) | null = null): ServerLog {
  let gathered = "";
  const flush = () => {
    if (gathered === "") return;
    if (process.stdout.writableLength < WAITING_CHARACTERS) process.stdout.write(gathered);
    gathered = "";
  };
  const write = (line: string) => {
    gathered += format === null ? line : format(line);
    if (format !== null || gathered.length >= GATHERED_CHARACTERS) flush();
  };
  repeat(FLUSH_INTERVAL_MS, flush);
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return { logger: pino({ ...options, serializers: { err: loggedError } }, { write }), flush };
}
