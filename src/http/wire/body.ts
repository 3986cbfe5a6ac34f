import type { ByteBudget, Hold } from "../../core/byte-budget.ts";
import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";

/** A body with a larger announced length is read in pieces, so that Kilde only holds bytes that have arrived. */
const WHOLE_BYTES = 64 * 1024;

/** Most bytes counted for a body before any of it is read: the runtime buffers up to this much in advance. */
const EXPECTED_BYTES = 1024 * 1024;
/** The same for a chunked body, which announces no length. The runtime parses all chunks that have arrived at once. */
const EXPECTED_CHUNKED_BYTES = 256 * 1024;
/** The same for a body from this process, which has neither length nor chunks and is mostly small. */
const EXPECTED_LOCAL_BYTES = 4 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/**
 * After several chunks below this size, each further one waits a turn of the event loop, in which it grows: otherwise
 * a body of a million tiny chunks would occupy the loop.
 */
const TINY_BYTES = 4 * 1024;
const TINY_CHUNKS = 8;

/** The dependencies of reading bodies. */
export interface BodyDeps {
  readonly clock: Clock;
  readonly limits: Limits;
  /** Bytes of the bodies of all requests. */
  readonly bodies: ByteBudget;
}

/** A body that arrived. Its bytes count until the request has been answered. */
export interface Body {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The hold on the bytes; null: the body is empty. */
  readonly hold: Hold | null;
}

function tooLarge(maxBytes: number): KildeError {
  return new KildeError("body-too-large", `The body is larger than ${maxBytes} bytes`, {
    limit: "bodyBytes",
  });
}

function noRoom({ limits }: BodyDeps): KildeError {
  const detail = `The bodies of other requests hold most of ${limits.bodiesBytes} bytes`;
  return new KildeError("overloaded", detail, { limit: "bodiesBytes" });
}

function late({ limits }: BodyDeps): KildeError {
  const detail = `The body did not arrive within ${limits.bodyTimeoutMs} ms, or while others needed its room`;
  return new KildeError("incomplete-body", detail, { limit: "bodyTimeoutMs" });
}

function brokenOff(cause: unknown): KildeError {
  return new KildeError("incomplete-body", "The connection ended before the body did", {}, { cause });
}

/** Collects chunks in one buffer, which doubles when it is full: its size does not depend on the size of the chunks. */
function createBuffer(hold: Hold, counted: number, deps: BodyDeps) {
  let buffer = new Uint8Array(0);
  let length = 0;
  let total = counted;
  return {
    add(chunk: Uint8Array, maxBytes: number) {
      const needed = length + chunk.byteLength;
      if (needed > maxBytes) throw tooLarge(maxBytes);
      if (needed > buffer.byteLength) {
        const size = Math.min(maxBytes, Math.max(needed, 2 * buffer.byteLength));
        if (size > total && !hold.take(size - total)) throw noRoom(deps);
        total = Math.max(total, size);
        const larger = new Uint8Array(size);
        larger.set(buffer.subarray(0, length));
        buffer = larger;
      }
      buffer.set(chunk, length);
      length = needed;
    },
    whole: () => buffer.subarray(0, length),
  };
}

async function readPieces(
  body: ReadableStream<Uint8Array>,
  { expected, maxBytes }: { readonly expected: number; readonly maxBytes: number },
  deps: BodyDeps,
): Promise<Body> {
  const reader = body.getReader();
  let isLate = false;
  const hold = deps.bodies.hold(() => {
    isLate = true;
    hold.release();
    // This ends the pending read.
    reader.cancel().catch(() => {});
  });
  const buffer = createBuffer(hold, expected, deps);
  let tiny = 0;
  try {
    if (!hold.take(expected)) throw noRoom(deps);
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw brokenOff(error);
      });
      if (isLate) throw late(deps);
      if (done) break;
      buffer.add(value, maxBytes);
      if (value.byteLength < TINY_BYTES) tiny += 1;
      if (tiny > TINY_CHUNKS) await deps.clock.yield();
    }
  } catch (error) {
    hold.release();
    reader.cancel().catch(() => {});
    throw error;
  }
  hold.rest();
  return { bytes: buffer.whole(), hold };
}

/** Some runtimes have no `bytes`. Where it exists, it is faster: `arrayBuffer` takes one more object for the same bytes. */
interface OlderRequest {
  readonly bytes?: () => Promise<Uint8Array<ArrayBuffer>>;
  readonly arrayBuffer: () => Promise<ArrayBuffer>;
}

async function bytesOf(request: OlderRequest): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await request.arrayBuffer());
}

/** Reads a small body at once: mostly it has already arrived. */
function readWhole(request: OlderRequest, length: number, deps: BodyDeps): Promise<Body> {
  return new Promise((resolve, reject) => {
    const hold = deps.bodies.hold(() => {
      hold.release();
      reject(late(deps));
    });
    if (!hold.take(length)) {
      hold.release();
      reject(noRoom(deps));
      return;
    }
    (request.bytes?.() ?? bytesOf(request)).then(
      (bytes) => {
        hold.rest();
        resolve({ bytes, hold });
      },
      (error: unknown) => {
        hold.release();
        reject(brokenOff(error));
      },
    );
  });
}

/**
 * Reads a body of at most `maxBytes`. Refuses a body with a larger announced length before reading any of it. Throws
 * a KildeError when the body is too large, when there is no room for it, and when it does not arrive in time.
 */
export async function readBody(request: Request, maxBytes: number, deps: BodyDeps): Promise<Body> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new KildeError("unsupported-media-type", `The content encoding ${encoding} is not supported`);
  }
  const header = request.headers.get("content-length");
  const length = header === null ? null : Number(header);
  if (length !== null && length > maxBytes) throw tooLarge(maxBytes);
  if (length !== null && length <= WHOLE_BYTES) return readWhole(request, length, deps);
  if (request.body === null) return { bytes: new Uint8Array(0), hold: null };
  const isChunked = request.headers.has("transfer-encoding");
  const unannounced = isChunked ? EXPECTED_CHUNKED_BYTES : EXPECTED_LOCAL_BYTES;
  const expected = Math.min(length ?? unannounced, EXPECTED_BYTES, maxBytes);
  return readPieces(request.body, { expected, maxBytes }, deps);
}

/** Returns the text of a body. Throws a KildeError when it is not UTF-8. */
export function textOf({ bytes }: Pick<Body, "bytes">): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new KildeError("malformed-json", "The body is not UTF-8");
  }
}

/** Most bytes of a body other than an append: such bodies have a few members, or a list of names. */
const SMALL_BODY_BYTES = 1024 * 1024;

/** Reads the text of a body other than an append. */
export async function readSmallText(
  request: Request,
  deps: BodyDeps,
  maxBytes = SMALL_BODY_BYTES,
): Promise<string> {
  const body = await readBody(request, Math.min(maxBytes, deps.limits.bodyBytes), deps);
  try {
    return textOf(body);
  } finally {
    body.hold?.release();
  }
}
