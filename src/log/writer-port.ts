import type { Clock } from "../core/clock.ts";
import { isProblemCode, KildeError, type ProblemMembers } from "../core/errors.ts";
import type { Statement } from "./database.ts";
import type { Transaction } from "./plan.ts";
import type { LogNews, LogWriter } from "./writer.ts";

/*
 * One writer for several threads: each HTTP thread sends its appends to the thread that has the writer, all those
 * of one turn of its event loop in one message. Messages are JSON text, which is cheaper to pass than objects.
 */

/** One end of a channel between two threads. */
export interface Port {
  post(message: string): void;
  /** Called once, with who is to be given each message. */
  listen(receive: (message: string) => void): void;
}

type Operation =
  | { readonly kind: "append"; readonly transaction: Transaction }
  | { readonly kind: "truncate"; readonly subject: string; readonly before: number }
  | { readonly kind: "write"; readonly statements: readonly Statement[] }
  | { readonly kind: "sweep" }
  | { readonly kind: "probe" };

type Request = readonly [id: number, operation: Operation];

interface Failure {
  readonly code: string;
  readonly detail: string;
  readonly members: ProblemMembers;
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure }
  | { readonly news: LogNews };

/**
 * Requests of one message. All that arrive in one turn of the event loop would be too many: the writer would wait
 * until they are parsed, and then the parser until they are written.
 */
const MESSAGE_REQUESTS = 8;

/** Gathers what is posted in one turn of the event loop into messages of at most so many items. */
function batched<Item>(port: Port, clock: Clock, most: number): (item: Item) => void {
  let batch: Item[] = [];
  let scheduled = false;
  const flush = () => {
    if (batch.length === 0) return;
    const items = batch;
    batch = [];
    port.post(JSON.stringify(items));
  };
  return (item) => {
    batch.push(item);
    if (batch.length >= most) flush();
    else if (!scheduled) {
      scheduled = true;
      void clock.yield().then(() => {
        scheduled = false;
        flush();
      });
    }
  };
}

function failureOf(error: unknown): Failure {
  return error instanceof KildeError
    ? { code: error.code, detail: error.message, members: error.members }
    : { code: "internal", detail: error instanceof Error ? error.message : String(error), members: {} };
}

/** Lets another thread use a writer. Gives what tells that thread the news. */
export function serveWriter(writer: LogWriter, port: Port, clock: Clock): (news: LogNews) => void {
  const reply = batched<Reply>(port, clock, Number.POSITIVE_INFINITY);
  const perform = (operation: Operation): Promise<unknown> => {
    switch (operation.kind) {
      case "append":
        return writer.append(operation.transaction);
      case "truncate":
        return writer.truncate(operation.subject, operation.before);
      case "write":
        return writer.write(operation.statements);
      case "sweep":
        writer.sweep();
        return Promise.resolve();
      case "probe":
        return writer.probe();
    }
  };
  port.listen((message) => {
    for (const [id, operation] of JSON.parse(message) as Request[]) {
      perform(operation).then(
        (result) => reply({ id, result: result ?? null }),
        (error: unknown) => reply({ id, failure: failureOf(error) }),
      );
    }
  });
  return (news) => reply({ news });
}

/** The writer that another thread serves. Closing it is that thread's business. */
export function remoteWriter(port: Port, clock: Clock, onNews: (news: LogNews) => void): LogWriter {
  interface Pending {
    readonly resolve: (result: never) => void;
    readonly reject: (error: KildeError) => void;
  }
  const pending = new Map<number, Pending>();
  const request = batched<Request>(port, clock, MESSAGE_REQUESTS);
  let lastId = 0;

  const call = <Result>(operation: Operation): Promise<Result> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      pending.set(lastId, { resolve, reject });
      request([lastId, operation]);
    });

  port.listen((message) => {
    for (const reply of JSON.parse(message) as Reply[]) {
      if ("news" in reply) {
        onNews(reply.news);
        continue;
      }
      const caller = pending.get(reply.id);
      pending.delete(reply.id);
      if ("result" in reply) {
        caller?.resolve(reply.result as never);
      } else {
        const { code, detail, members } = reply.failure;
        caller?.reject(new KildeError(isProblemCode(code) ? code : "internal", detail, members));
      }
    }
  });

  return {
    append: (transaction) => call({ kind: "append", transaction }),
    truncate: (subject, before) => call({ kind: "truncate", subject, before }),
    write: (statements) => call({ kind: "write", statements }),
    sweep: () => void call({ kind: "sweep" }).catch(() => {}),
    probe: () => call({ kind: "probe" }),
    close: () => Promise.resolve(),
  };
}
