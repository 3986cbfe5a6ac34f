import type { Clock } from "../core/clock.ts";
import { charactersOf, type Database, type Row, type Statement } from "./database.ts";
import { OUTRUN } from "./failures.ts";
import { takeWithin } from "./take.ts";

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
      const group = takeWithin(waiting, SHARED_CHARACTERS, ({ statements }) => charactersOf(statements));
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

/** The writes that another thread serves. */
export interface RemoteWrites {
  /** Ordered, as `Database` says. */
  readonly write: Database["write"];
  /** The other thread is gone: what waits for it fails, and all that comes later. */
  readonly fail: (error: Error) => void;
}

export function remoteWrites(port: Port): RemoteWrites {
  interface Pending {
    readonly resolve: (results: Results) => void;
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
