import type { Database, Row, Statement } from "./database.ts";
import { OUTRUN } from "./failures.ts";

/* The writes of a database on another thread. */

/** One end of a channel between two threads. */
export interface Port {
  post(message: unknown): void;
  /** Called once, with who is to be given each message. */
  listen(receive: (message: unknown) => void): void;
}

/** `failures`: of earlier writes, as far as the sender knows. */
type Request = readonly [id: number, failures: number, statements: readonly Statement[]];

interface Failure {
  readonly message: string;
  readonly code: string;
}

type Reply =
  | readonly [id: number, failure: null, results: readonly (readonly Row[])[]]
  | readonly [id: number, failure: Failure];

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), code: "" };
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return { message: error.message, code };
}

/** Runs the writes that come through a port, in order. */
export function serveWrites(write: Database["write"], port: Port): void {
  let failures = 0;
  const perform = async ([id, known, statements]: Request): Promise<Reply> => {
    if (known < failures) return [id, { message: "an earlier write failed", code: OUTRUN }];
    try {
      return [id, null, await write(statements)];
    } catch (error) {
      failures += 1;
      return [id, failureOf(error)];
    }
  };
  let last: Promise<void> = Promise.resolve();
  port.listen((message) => {
    const request = message as Request;
    last = last.then(async () => port.post(await perform(request)));
  });
}

/** The writes that another thread serves. */
export interface RemoteWrites {
  /** Ordered, as `Database` says. */
  readonly write: Database["write"];
  /** The other thread is gone: what waits for it fails, and all that comes later. */
  readonly fail: (error: Error) => void;
}

export function remoteWrites(port: Port): RemoteWrites {
  interface Pending {
    readonly resolve: (results: readonly (readonly Row[])[]) => void;
    readonly reject: (error: Error) => void;
  }
  const pending = new Map<number, Pending>();
  let lastId = 0;
  let failures = 0;
  let gone: Error | null = null;
  port.listen((message) => {
    const [id, failure, results] = message as Reply;
    const caller = pending.get(id);
    pending.delete(id);
    if (failure === null) return caller?.resolve(results ?? []);
    // Those that were void because of it are no failures of their own.
    if (failure.code !== OUTRUN) failures += 1;
    caller?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
  });
  return {
    write: (statements) =>
      new Promise((resolve, reject) => {
        if (gone !== null) return reject(gone);
        lastId += 1;
        pending.set(lastId, { resolve, reject });
        port.post([lastId, failures, statements] satisfies Request);
      }),
    fail(error) {
      gone = error;
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
    },
  };
}
