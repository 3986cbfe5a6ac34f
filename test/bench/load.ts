import { Latencies, type Sample } from "./sample.ts";

/*
 * HTTP load from raw keep-alive sockets with requests made beforehand. Tried against a server that only answers,
 * CPU seconds of the generator for 100,000 requests over 64 connections, on a machine that it shares with the
 * server: this 0.9, wrk with a Lua script 1.2 (no npm package; its script cannot check answers cheaply), autocannon
 * 1.9 under Bun and 2.2 under Node (a whole core at 60,000 requests/s, more than the server costs, and latencies
 * in whole milliseconds).
 */

const DECODER = new TextDecoder("latin1");
const END_OF_HEAD = Buffer.from("\r\n\r\n");
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
/** JSON holds no line break, so nothing within a chunk looks like it. */
const LAST_CHUNK = Buffer.from("\r\n0\r\n\r\n");

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  /** The bytes of the next request. */
  readonly next: () => Uint8Array;
  /** Status of every answer; another one fails the run. */
  readonly status: number;
  /** Events that one request moves. */
  readonly eventsPerRequest: number;
}

export interface Load {
  /** Each connection sends a request when it has the answer to the one before, until the time is up. */
  readonly run: (durationMs: number) => Promise<Sample>;
  readonly close: () => void;
}

/** The part of an answer that is still missing. */
interface Answer {
  head: Buffer | null;
  bodyBytesMissing: number;
  /** The last bytes of a body in chunks; null for a body of stated length. */
  chunkedEnd: Buffer | null;
}

/** Takes bytes of a body in chunks; true after the last chunk. Nothing follows it before the next request. */
function takeChunks(answer: Answer, bytes: Buffer): boolean {
  const { length } = LAST_CHUNK;
  const known =
    bytes.length < length ? Buffer.concat([answer.chunkedEnd ?? LAST_CHUNK.subarray(0, 0), bytes]) : bytes;
  // A copy, since the socket's buffer is used again.
  answer.chunkedEnd = Buffer.from(known.subarray(-length));
  if (!answer.chunkedEnd.equals(LAST_CHUNK)) return false;
  answer.chunkedEnd = null;
  return true;
}

/** Takes some bytes of an answer; true when it is whole. Answers come one at a time. */
function take(answer: Answer, bytes: Buffer, status: number): boolean {
  if (answer.chunkedEnd !== null) return takeChunks(answer, bytes);
  if (answer.bodyBytesMissing > 0) {
    answer.bodyBytesMissing -= bytes.length;
    return answer.bodyBytesMissing <= 0;
  }
  const head = answer.head === null ? bytes : Buffer.concat([answer.head, bytes]);
  const end = head.indexOf(END_OF_HEAD);
  if (end === -1) {
    // The socket's buffer is used again for the next bytes.
    answer.head = Buffer.from(head);
    return false;
  }
  answer.head = null;
  const text = DECODER.decode(head.subarray(0, end));
  if (Number(text.slice(9, 12)) !== status) {
    throw new Error(`answered ${text.split("\r\n")[0]}, not ${status}: ${head.toString("utf8", end + 4)}`);
  }
  if (CHUNKED.test(text)) {
    answer.chunkedEnd = Buffer.alloc(0);
    return takeChunks(answer, head.subarray(end + END_OF_HEAD.length));
  }
  const length = CONTENT_LENGTH.exec(text)?.[1];
  if (length === undefined) throw new Error(`an answer without content-length:\n${text}`);
  answer.bodyBytesMissing = Number(length) - (head.length - end - END_OF_HEAD.length);
  return answer.bodyBytesMissing <= 0;
}

interface Lane {
  readonly answer: Answer;
  /** Called with each whole answer, or with the error. */
  onAnswer: (error?: Error) => void;
}

async function connectLane(port: number, status: number): Promise<{ lane: Lane; socket: Bun.Socket<Lane> }> {
  const lane: Lane = { answer: { head: null, bodyBytesMissing: 0, chunkedEnd: null }, onAnswer() {} };
  const socket = await Bun.connect<Lane>({
    hostname: "127.0.0.1",
    port,
    data: lane,
    socket: {
      data({ data }, bytes) {
        try {
          if (take(data.answer, bytes, status)) data.onAnswer();
        } catch (error) {
          data.onAnswer(error instanceof Error ? error : new Error(String(error)));
        }
      },
      close({ data }) {
        data.onAnswer(new Error("the server closed a connection"));
      },
      error({ data }, error) {
        data.onAnswer(error);
      },
    },
  });
  return { lane, socket };
}

export async function openLoad({
  port,
  connections,
  next,
  status,
  eventsPerRequest,
}: LoadOptions): Promise<Load> {
  const lanes = await Promise.all(Array.from({ length: connections }, () => connectLane(port, status)));

  return {
    async run(durationMs) {
      const latencies = new Latencies();
      const started = performance.now();
      const until = started + durationMs;
      const drive = ({ lane, socket }: (typeof lanes)[number]) =>
        new Promise<void>((resolve, reject) => {
          let sent = started;
          const send = (now: number) => {
            sent = now;
            const request = next();
            // Never in practice: a request is smaller than the socket's buffer, which is empty by now.
            if (socket.write(request) !== request.length)
              reject(new Error("the socket did not take a request"));
          };
          lane.onAnswer = (error) => {
            if (error !== undefined) return reject(error);
            const now = performance.now();
            latencies.add(now - sent);
            if (now < until) send(now);
            else resolve();
          };
          send(performance.now());
        });
      await Promise.all(lanes.map(drive));
      const seconds = (performance.now() - started) / 1_000;
      const operations = latencies.length;
      return {
        operations,
        events: operations * eventsPerRequest,
        seconds,
        latenciesMs: latencies.ascending(),
      };
    },
    close() {
      for (const { lane, socket } of lanes) {
        lane.onAnswer = () => {};
        socket.end();
      }
    },
  };
}

/** Load over new connections in each run: a server closes those that are idle while others are measured. */
export function loadOverNewConnections(options: LoadOptions): Load["run"] {
  return async (durationMs) => {
    const load = await openLoad(options);
    try {
      return await load.run(durationMs);
    } finally {
      load.close();
    }
  };
}
