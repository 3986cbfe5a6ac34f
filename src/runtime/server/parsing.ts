import type { Limits } from "../../core/limits.ts";
import type { IncomingPart } from "../../http/streams/new-events.ts";
import { bodyError } from "../../http/streams/body-fault.ts";
import type { ParseLarge, ParseTask } from "../../http/wire/parsing.ts";
import type { ParserCommand, ParserReport } from "./parsing-thread.ts";
import { systemClock } from "../../core/system-clock.ts";

/** The thread ends after this time without work, in milliseconds, which releases its memory. */
const IDLE_MS = 30_000;

/** Longest time to read a body, in milliseconds; then the thread is ended and the body fails. */
const DEADLINE_MS = 30_000;

/** Reads large bodies in a thread, which starts with the first such body. */
export interface ParsingThread {
  readonly parseLarge: ParseLarge;
  readonly close: () => void;
}

/** A running thread. */
interface Running {
  /** Reads one body at a time. */
  parse(task: ParseTask, bytes: Uint8Array<ArrayBuffer>): Promise<IncomingPart[]>;
  readonly isOver: () => boolean;
  /** Ends the thread; the body that it is reading fails with the message. */
  end(message: string): void;
}

function startThread(limits: Limits): Running {
  // The bundler includes a worker that is created by this exact form. `smol` keeps the heap small and collects often:
  // bodies become garbage at once.
  const worker = new Worker(new URL("./parsing-thread.ts", import.meta.url).href, { smol: true });
  const send = (command: ParserCommand, transfer: Transferable[] = []) =>
    worker.postMessage(command, transfer);
  let over = false;
  let waiting: PromiseWithResolvers<IncomingPart[]> | null = null;
  const end = (message: string) => {
    if (over) return;
    over = true;
    worker.terminate();
    waiting?.reject(new Error(`The thread that reads large bodies ended: ${message}`));
  };
  worker.addEventListener("error", (event) => end(event.message));
  worker.addEventListener("close", () => end("it ended itself"));
  worker.addEventListener("message", ({ data }: MessageEvent<ParserReport>) => {
    if (data.kind === "parsed") waiting?.resolve([...data.parts]);
    else if (data.kind === "refused") waiting?.reject(bodyError(data.fault));
    else end(data.message);
  });
  send({ kind: "open", limits });
  return {
    isOver: () => over,
    end,
    async parse(task, bytes) {
      waiting = Promise.withResolvers();
      const done = new AbortController();
      void systemClock.sleep(DEADLINE_MS, done.signal).then(() => {
        if (!done.signal.aborted) end(`a body was not read within ${DEADLINE_MS} ms`);
      });
      send({ kind: "parse", task, bytes }, [bytes.buffer]);
      try {
        return await waiting.promise;
      } finally {
        done.abort();
        waiting = null;
      }
    },
  };
}

export function openParsing(limits: Limits): ParsingThread {
  let running: Running | null = null;
  let last: Promise<unknown> = Promise.resolve();
  let idle = new AbortController();
  let closed = false;

  const endWhenIdle = () => {
    idle = new AbortController();
    const { signal } = idle;
    void systemClock.sleep(IDLE_MS, signal).then(() => {
      if (signal.aborted) return;
      running?.end("it had nothing to do");
      running = null;
    });
  };

  const parseNext: ParseLarge = async (task, bytes) => {
    if (closed) throw new Error("The server was closed");
    idle.abort();
    if (running === null || running.isOver()) running = startThread(limits);
    try {
      return await running.parse(task, bytes);
    } finally {
      endWhenIdle();
    }
  };

  return {
    parseLarge(task, bytes) {
      const parsed = last.then(() => parseNext(task, bytes));
      last = parsed.catch(() => {
        // The caller handles the error; the next body is read nevertheless.
      });
      return parsed;
    },
    close() {
      closed = true;
      idle.abort();
      running?.end("the server was closed");
    },
  };
}
