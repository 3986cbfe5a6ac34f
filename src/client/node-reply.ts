import type { IncomingMessage } from "node:http";
import type { pipeline, Readable, Transform } from "node:stream";
import type * as Zlib from "node:zlib";

import { hasBody, type Reply } from "./http-transport.ts";

/** Modules of Node that decode answers. */
export interface DecodingModules {
  readonly zlib: () => typeof Zlib;
  readonly stream: () => { readonly pipeline: typeof pipeline };
}

const decoder = new TextDecoder();

/** The decoders of a Content-Encoding, in the order in which they apply; none for one that fetch leaves as it is. */
function decodersOf(zlib: DecodingModules["zlib"], encoding: string): Transform[] {
  const { constants, createBrotliDecompress, createGunzip, createInflate } = zlib();
  const { BROTLI_OPERATION_FLUSH, Z_SYNC_FLUSH } = constants;
  // An event stream is decoded up to each flush of the server.
  const zip = { flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH };
  const brotli = { flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH };
  const decoders: Transform[] = [];
  for (const name of encoding.toLowerCase().split(",").toReversed()) {
    const coding = name.trim();
    if (coding === "gzip" || coding === "x-gzip") decoders.push(createGunzip(zip));
    else if (coding === "deflate") decoders.push(createInflate(zip));
    else if (coding === "br") decoders.push(createBrotliDecompress(brotli));
    else return [];
  }
  return decoders;
}

function readText(body: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    body.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    body.on("end", () => {
      const [first] = chunks;
      const bytes = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
      resolve(decoder.decode(bytes));
    });
    body.on("error", reject);
    // The connection may have been lost before this listener.
    body.on("close", () => reject(body.errored ?? new Error("the connection was closed")));
    if (body.destroyed) reject(body.errored ?? new Error("the connection was closed"));
  });
}

function streamOf(body: Readable): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void body.destroy(),
    },
    { highWaterMark: 0 },
  );
}

function decoded(answer: IncomingMessage, { zlib, stream }: DecodingModules): Readable {
  const encoding = answer.headers["content-encoding"];
  if (encoding === undefined) return answer;
  const decoders = decodersOf(zlib, encoding);
  const last = decoders.at(-1);
  if (last === undefined) return answer;
  last.on("error", () => {});
  stream().pipeline([answer, ...decoders], () => {});
  return last;
}

/** Presents an answer of `node:http` as the client reads answers of `fetch`. */
export function nodeReply(answer: IncomingMessage, method: string, modules: DecodingModules): Reply {
  const status = answer.statusCode ?? 0;
  const headers = {
    get: (name: string) => {
      const value = answer.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : (value ?? null);
    },
  };
  // A connection that is lost while nobody reads the answer is not an uncaught error.
  answer.on("error", () => {});
  if (!hasBody(method, status)) {
    answer.resume();
    return { status, headers, body: null, text: () => Promise.resolve("") };
  }
  const body = decoded(answer, modules);
  let stream: ReadableStream<Uint8Array> | null = null;
  return {
    status,
    headers,
    get body() {
      return (stream ??= streamOf(body));
    },
    text: () => readText(body),
  };
}
