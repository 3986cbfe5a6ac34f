import type { Environment } from "../config/resolve.ts";
import type { Clock } from "../core/clock.ts";

/** A target of output: a terminal, a file or a pipe. */
export interface Output {
  readonly isTerminal: boolean;
  /** The stream itself, for code that draws on a terminal. */
  readonly stream: NodeJS.WritableStream;
  /**
   * Writes text for people: escapes control characters from any source. Resolves when more may be written, so that
   * the caller waits for a slow reader.
   */
  write(text: string): Promise<void>;
  /** Writes text for programs unchanged; to a terminal, like `write`. */
  writeExact(text: string): Promise<void>;
}

/** The environment of a verb, which the roots provide and tests replace. */
export interface CliContext {
  readonly environment: Environment;
  readonly cwd: string;
  /** Version of this program. */
  readonly version: string;
  readonly stdin: () => ReadableStream<Uint8Array>;
  /** Whether the program can ask a person: standard input and standard error are both a terminal. */
  readonly isInteractive: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** A random number from 0 up to 1. */
  readonly random: () => number;
  /**
   * From now on, the process continues after the reader of its output has closed the pipe; otherwise that ends it
   * silently.
   */
  readonly outliveReader: () => void;
  /** Calls `stop` at SIGINT and SIGTERM, which then no longer end the process. */
  readonly onStopSignal: (stop: (signal: string) => void) => void;
  /** Calls `reload` at SIGHUP, which then no longer ends the process. */
  readonly onReloadSignal: (reload: () => void) => void;
  /** Ends the process at once. */
  readonly exit: (code: number) => never;
}
