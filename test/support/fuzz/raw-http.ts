import { connect } from "node:net";

/** The answer to a request that was sent as bytes. */
export interface RawAnswer {
  /** 0: the server closed the connection without an answer. */
  readonly status: number;
  readonly head: string;
  /** The first bytes of the body as they came, chunk sizes included. */
  readonly body: string;
  /** Until the head of the answer was there, or the connection was closed; in milliseconds. */
  readonly waitedMs: number;
}

/** Bytes of an answer that are kept. */
const MOST_BYTES = 64 * 1024;

/** After the head of an answer, how long its body is read. A stream of events has no end. */
const BODY_MS = 300;

/** Sends bytes over a connection of their own. Null: nothing came within `patienceMs`. */
export function exchange(port: number, bytes: Buffer, patienceMs: number): Promise<RawAnswer | null> {
  return new Promise((resolve) => {
    const began = performance.now();
    let text = "";
    let waitedMs = 0;
    const socket = connect(port, "127.0.0.1");
    const done = (answer: RawAnswer | null) => {
      clearTimeout(patience);
      socket.destroy();
      resolve(answer);
    };
    const answer = (): RawAnswer => {
      const split = text.indexOf("\r\n\r\n");
      const head = split === -1 ? text : text.slice(0, split);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
      return { status, head, body: split === -1 ? "" : text.slice(split + 4), waitedMs };
    };
    let patience = setTimeout(() => done(null), patienceMs);
    socket.on("data", (chunk) => {
      const headBefore = text.includes("\r\n\r\n");
      text = (text + chunk.toString("utf8")).replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "");
      if (!headBefore && text.includes("\r\n\r\n")) {
        waitedMs = performance.now() - began;
        clearTimeout(patience);
        patience = setTimeout(() => done(answer()), BODY_MS);
      }
      if (text.length > MOST_BYTES) done(answer());
    });
    socket.on("error", () => done(answer()));
    socket.on("close", () => {
      if (waitedMs === 0) waitedMs = performance.now() - began;
      done(answer());
    });
    socket.on("connect", () => socket.write(bytes));
  });
}
