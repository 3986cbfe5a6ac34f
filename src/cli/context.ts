import type { Environment } from "../config/resolve.ts";
import type { Clock } from "../core/clock.ts";

/** Where a program writes: a terminal, a file or a pipe. */
export interface Output {
  readonly isTerminal: boolean;
  /** For what draws on a terminal by itself. */
  readonly stream: NodeJS.WritableStream;
  /**
   * Writes text for people: control characters are escaped, whoever sent them. Resolves when more may be written, so that a
   * slow reader is waited for.
   */
  write(text: string): Promise<void>;
  /** Writes text for programs as it is; to a terminal, as `write` does. */
  writeExact(text: string): Promise<void>;
}

/** Everything a verb takes from outside: what the roots wire, and tests replace. */
export interface CliContext {
  readonly environment: Environment;
  readonly cwd: string;
  /** Version of this program. */
  readonly version: string;
  readonly stdin: () => ReadableStream<Uint8Array>;
  /** Whether a person can be asked: both standard input and standard error are a terminal. */
  readonly isInteractive: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** 0 up to 1. */
  readonly random: () => number;
  /** From now on, the process goes on when nobody reads any more what it writes; else that ends it quietly. */
  readonly outliveReader: () => void;
  /** Calls back at SIGINT and SIGTERM; from then on they do not end the process by themselves. */
  readonly onStopSignal: (stop: (signal: string) => void) => void;
  /** Ends the process at once. */
  readonly exit: (code: number) => never;
}
