import type { Clock } from "../../core/clock.ts";
import type { Deadlines } from "../../core/deadlines.ts";
import { charactersOf, type Database, type Row, type Statement } from "../database.ts";
import { OUTRUN } from "../failures.ts";
import { dequeueWithin } from "../../core/dequeue.ts";

/* The writes of a database on another thread. */

/** One end of a channel between two threads. */
export interface Port {
  post(message: unknown): void;
  /** Called once, with who is to be given each message. */
  listen(receive: (message: unknown) => void): void;
}

type Results = readonly (readonly Row[])[];

/** `failures`: of earlier writes, as far as the sender knows. */
type Request = readonly [id: number, failures: number, statements: readonly Statement[]];

interface Failure {
  readonly message: string;
  readonly code: string;
}

type Reply = readonly [id: number, failure: null, results: Results] | readonly [id: number, failure: Failure];

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), code: "" };
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return { message: error.message, code };
}

/** Characters of arguments of the writes that share a commit: so many that who waits for one hardly waits for the rest. */
const SHARED_CHARACTERS = 40_000;

/** Who sends writes through a port, and how many of them have failed. */
interface Sender {
  readonly port: Port;
  failures: number;
}

interface WaitingWrite {
  readonly sender: Sender;
  readonly id: number;
  /** Failures of earlier writes, as far as the sender knew. */
  readonly known: number;
  readonly statements: readonly Statement[];
}

/** The writes of several ports, on one database. */
export interface WriteServer {
  /** Runs what comes through a port, in order. */
  serve(port: Port): void;
  /** Resolves when all that has come is answered. */
  settled(): Promise<void>;
}

/**
 * Runs writes in the order in which they came. Group commit among senders: those that wait together, and are small,
 * share one transaction, as far as nothing in it fails. If it does, each is run by itself.
 */
export function createWriteServer(write: Database["write"], clock: Pick<Clock, "yield">): WriteServer {
  const waiting: WaitingWrite[] = [];
  let running: Promise<void> | null = null;

  const answer = ({ sender, id }: WaitingWrite, results: Results) =>
    sender.port.post([id, null, results] satisfies Reply);

  const refuse = ({ sender, id }: WaitingWrite, error: unknown) =>
    sender.port.post([id, failureOf(error)] satisfies Reply);

  /** Whether no earlier failure could have made it other than it is. */
  const isValid = ({ sender, known }: WaitingWrite) => known >= sender.failures;

  const runOne = async (each: WaitingWrite): Promise<void> => {
    if (!isValid(each)) {
      refuse(each, Object.assign(new Error("an earlier write failed"), { code: OUTRUN }));
      return;
    }
    try {
      answer(each, await write(each.statements));
    } catch (error) {
      each.sender.failures += 1;
      refuse(each, error);
    }
  };

  const runTogether = async (writes: readonly WaitingWrite[]): Promise<boolean> => {
    let results: Results;
    try {
      results = await write(writes.flatMap(({ statements }) => statements));
    } catch {
      return false;
    }
    let from = 0;
    for (const each of writes) {
      const end = from + each.statements.length;
      answer(each, results.slice(from, end));
      from = end;
    }
    return true;
  };

  const run = async () => {
    // Messages that are here already share the first commit.
    for (await clock.yield(); waiting.length > 0; await clock.yield()) {
      const group = dequeueWithin(waiting, SHARED_CHARACTERS, ({ statements }) => charactersOf(statements));
      if (group.length > 1 && group.every(isValid) && (await runTogether(group))) continue;
      for (const each of group) await runOne(each);
    }
  };

  return {
    serve(port) {
      const sender: Sender = { port, failures: 0 };
      port.listen((message) => {
        const [id, known, statements] = message as Request;
        waiting.push({ sender, id, known, statements });
        running ??= run().finally(() => {
          running = null;
        });
      });
    },
    async settled() {
      while (running !== null) await running;
    },
  };
}

/**
 * How long a write may take in the other thread, with what waits there before it. Longer than a write waits for the lock
 * of another process, and than any write takes on a disk that can be used.
 */
export const THREAD_DEADLINE_MS = 30_000;

/** The writes that another thread serves. */
export interface ThreadWrites {
  /** Ordered, as `Database` says. Rejects when the other thread fails, or does not answer in time. */
  readonly write: Database["write"];
  /** The other thread is gone: refuses what waits for it, and every write until {@link reconnect}. */
  fail(error: Error): void;
  /** Writes through another port from now on, to a thread that knows nothing of earlier writes. */
  reconnect(port: Port): void;
}

interface Pending {
  readonly resolve: (results: Results) => void;
  readonly reject: (error: Error) => void;
  /** Ends its deadline. */
  readonly settle: () => void;
}

/** @param deadlines of {@link THREAD_DEADLINE_MS} */
export function createThreadWrites(first: Port, deadlines: Deadlines): ThreadWrites {
  const pending = new Map<number, Pending>();
  let port = first;
  let lastId = 0;
  let failures = 0;
  let gone: Error | null = null;
  /** A write had no answer in time, and nothing was answered since. */
  let silent: Error | null = null;

  const take = (id: number): Pending | undefined => {
    const caller = pending.get(id);
    pending.delete(id);
    caller?.settle();
    return caller;
  };

  const listen = (to: Port) =>
    to.listen((message) => {
      if (to !== port) return;
      const [id, failure, results] = message as Reply;
      silent = null;
      const caller = take(id);
      if (failure === null) {
        caller?.resolve(results ?? []);
        return;
      }
      // Those that were void because of it are no failures of their own.
      if (failure.code !== OUTRUN) failures += 1;
      caller?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
    });
  listen(first);

  /** Whether it will still be written is unknown: the other thread may go on. */
  const expire = (id: number) => {
    const error = new Error(`The thread that writes the database did not answer in ${THREAD_DEADLINE_MS} ms`);
    silent = error;
    take(id)?.reject(error);
  };

  return {
    write: (statements) =>
      new Promise((resolve, reject) => {
        const refusal = gone ?? silent;
        if (refusal !== null) {
          reject(refusal);
          return;
        }
        lastId += 1;
        const id = lastId;
        pending.set(id, { resolve, reject, settle: deadlines.start(() => expire(id)) });
        port.post([id, failures, statements] satisfies Request);
      }),
    fail(error) {
      gone = error;
      for (const id of Array.from(pending.keys())) take(id)?.reject(error);
    },
    reconnect(next) {
      port = next;
      failures = 0;
      silent = null;
      gone = null;
      listen(next);
    },
  };
}
