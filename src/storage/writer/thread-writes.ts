import type { Clock } from "../../core/clock.ts";
import type { Deadlines } from "../../core/deadlines.ts";
import { charactersOf, type Database, type Row, type Statement } from "../database.ts";
import { OUTRUN } from "../failures.ts";
import { dequeueWithin } from "../../core/dequeue.ts";

/* The writes of a database on another thread. */

/** One end of a channel between two threads. */
export interface Port {
  post(message: unknown): void;
  /** Called once, with the receiver of all messages. */
  listen(receive: (message: unknown) => void): void;
}

type Results = readonly (readonly Row[])[];

/** `failures`: failed earlier writes that the sender knows of; `Infinity`: its writes rest on no earlier ones. */
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

/** Characters of arguments that writes in one commit may have in total, so that none waits long for the others. */
const SHARED_CHARACTERS = 40_000;

/** Characters of writes that were sent together and share a commit: about 1,000 events, or 8 milliseconds. */
const TOGETHER_CHARACTERS = 200_000;

/** A port that sends writes, and how many of its writes have failed. */
interface Sender {
  readonly port: Port;
  failures: number;
}

interface WaitingWrite {
  readonly sender: Sender;
  readonly id: number;
  /** Failed earlier writes that the sender knew of. */
  readonly known: number;
  readonly statements: readonly Statement[];
}

/** Whether a message has several writes. */
function isTogether(message: unknown): message is readonly Request[] {
  return Array.isArray(message) && Array.isArray(message[0]);
}

const charactersOfWrite = ({ statements }: WaitingWrite): number => charactersOf(statements);

function charactersIn(writes: readonly WaitingWrite[]): number {
  return writes.reduce((sum, write) => sum + charactersOfWrite(write), 0);
}

/** Serves the writes of several ports, on one database. */
export interface WriteServer {
  /** Runs the writes of a port, in order. */
  serve(port: Port): void;
  /** Resolves when every write that arrived is answered. */
  settled(): Promise<void>;
}

/**
 * Runs writes in order of arrival. Group commit among senders: small writes that wait together share one transaction, as do
 * the writes that one message has together, unless one of them fails; then each is run alone.
 */
export function createWriteServer(write: Database["write"], clock: Pick<Clock, "yield">): WriteServer {
  /** In order of arrival, those of one message together. */
  const waiting: WaitingWrite[][] = [];
  let running: Promise<void> | null = null;

  const answer = ({ sender, id }: WaitingWrite, results: Results) =>
    sender.port.post([id, null, results] satisfies Reply);

  const refuse = ({ sender, id }: WaitingWrite, error: unknown) =>
    sender.port.post([id, failureOf(error)] satisfies Reply);

  /** Whether the sender knew of every failure of its earlier writes when it planned this one. */
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
    // Messages that have already arrived share the first commit.
    for (await clock.yield(); waiting.length > 0; await clock.yield()) {
      const group = dequeueWithin(waiting, SHARED_CHARACTERS, charactersIn).flat();
      if (group.length > 1 && group.every(isValid) && (await runTogether(group))) continue;
      for (const each of group) await runOne(each);
    }
  };

  return {
    serve(port) {
      const sender: Sender = { port, failures: 0 };
      port.listen((message) => {
        const arrived = isTogether(message) ? message : [message as Request];
        const writes = arrived.map(([id, known, statements]) => ({ sender, id, known, statements }));
        while (writes.length > 0) waiting.push(dequeueWithin(writes, TOGETHER_CHARACTERS, charactersOfWrite));
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
 * How long a write may take in the other thread, including the writes queued before it. Longer than a write waits for
 * the lock of another process, and than any write takes on a working disk.
 */
export const THREAD_DEADLINE_MS = 30_000;

/** The writes that another thread serves. */
export interface ThreadWrites {
  /** Ordered, as defined by `Database`. Rejects when the other thread fails, or does not answer in time. */
  readonly write: Database["write"];
  /** The other thread is gone: rejects the pending writes, and every write until {@link reconnect}. */
  fail(error: Error): void;
  /** Sends writes through another port from now on, to a thread that knows no earlier writes. */
  reconnect(port: Port): void;
}

interface Pending {
  readonly resolve: (results: Results) => void;
  readonly reject: (error: Error) => void;
  /** Ends its deadline. */
  readonly settle: () => void;
}

/** Returns a function that posts a write at once, or with `turns`, those of a turn together, unless they have failed by then. */
function createPosting(
  post: (message: unknown) => void,
  isPending: (id: number) => boolean,
  turns?: Pick<Clock, "yield">,
): (request: Request) => void {
  if (turns === undefined) return post;
  let together: Request[] = [];
  const postTogether = async () => {
    await turns.yield();
    const sent = together.filter(([id]) => isPending(id));
    together = [];
    if (sent.length > 0) post(sent);
  };
  return (request) => {
    together.push(request);
    if (together.length === 1) void postTogether();
  };
}

/**
 * Sends writes to the other thread. `turns`: the writes of one turn are sent together, and rest on no earlier ones. Default:
 * each is sent at once, and is void when an earlier one has failed.
 * @param deadlines of {@link THREAD_DEADLINE_MS}
 */
export function createThreadWrites(
  first: Port,
  deadlines: Deadlines,
  turns?: Pick<Clock, "yield">,
): ThreadWrites {
  const pending = new Map<number, Pending>();
  let port = first;
  let lastId = 0;
  let failures = 0;
  let gone: Error | null = null;
  /** A write had no answer in time, and no answer arrived since. */
  let silent: Error | null = null;

  const send = createPosting(
    (message) => port.post(message),
    (id) => pending.has(id),
    turns,
  );

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
      // A write that was void because of an earlier failure is no failure of its own.
      if (failure.code !== OUTRUN) failures += 1;
      caller?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
    });
  listen(first);

  /** The other thread may still complete the write, so its outcome is unknown. */
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
        send([id, turns === undefined ? failures : Number.POSITIVE_INFINITY, statements]);
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
