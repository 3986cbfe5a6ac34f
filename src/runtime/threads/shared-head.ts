import type { LogNotice } from "../../log/append/writer.ts";
import type { LogReader } from "../../log/read/reader.ts";

/** Memory that two threads share: the head of a log, and how many wait for a later one in the other thread. */
export type SharedHead = SharedArrayBuffer;

const HEAD = 0;
const WAITING = 1;

export function createSharedHead(): SharedHead {
  return new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT);
}

/**
 * Sends the notices of a log to another thread. A notice of a later head is sent only while something there waits for it:
 * a message for each commit would wake a thread that projects its next batch later anyway.
 */
export function sendingNotices(
  shared: SharedHead,
  send: (notice: LogNotice) => void,
): (notice: LogNotice) => void {
  const memory = new BigInt64Array(shared);
  let identity = "";
  return (notice) => {
    if (notice !== "truncated") {
      const isKnown = notice.identity === identity;
      ({ identity } = notice);
      Atomics.store(memory, HEAD, BigInt(notice.head));
      if (isKnown && Atomics.load(memory, WAITING) === 0n) return;
    }
    send(notice);
  };
}

/** The reader of a log in the thread that receives its notices. It reads the shared head before it waits for a later one. */
export function receivingNotices(shared: SharedHead, reader: LogReader): LogReader {
  const memory = new BigInt64Array(shared);
  // A thread that failed has left its number.
  Atomics.store(memory, WAITING, 0n);
  return {
    ...reader,
    async passed(position, signal) {
      Atomics.add(memory, WAITING, 1n);
      try {
        const head = Number(Atomics.load(memory, HEAD));
        if (head > reader.knownHead()) reader.notify({ head, identity: reader.knownIdentity() });
        return await reader.passed(position, signal);
      } finally {
        Atomics.sub(memory, WAITING, 1n);
      }
    },
  };
}
