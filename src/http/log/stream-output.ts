import type { ByteBudget } from "../../core/byte-budget.ts";
import type { Chunk } from "../../log/follow/follow.ts";

/**
 * Beats of five seconds without an event until a stream sends a comment, so that neither side takes the other for
 * gone. The longest silence is 10 seconds; the client waits for 15 (`client/deadline.ts`).
 */
export const QUIET_BEATS = 2;

/** Delay before a client reconnects, in milliseconds. */
const RECONNECT_MS = 1_000;

const ENCODER = new TextEncoder();
const GREETING = ENCODER.encode(`retry: ${RECONNECT_MS}\n\n`);
const HEARTBEAT = ENCODER.encode(":\n\n");

/** Headers of every event stream. The last one has proxies pass it on without a delay. */
export const EVENT_STREAM_HEADERS = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
};

/** Creates the output of one event stream. Its bytes count in the budget until the socket takes them. */
export function createStreamOutput(answers: ByteBudget, disconnect: () => void) {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  let untakenBytes = 0;
  let sentBytes = 0;
  const enqueue = (part: Uint8Array) => {
    sentBytes += part.length;
    controller?.enqueue(part);
  };
  const hold = answers.hold(disconnect);
  return {
    start(started: ReadableStreamDefaultController<Uint8Array>) {
      controller = started;
      enqueue(GREETING);
    },
    /** Whether bytes that were sent are still on their way to the socket. */
    isBehind: () => (controller?.desiredSize ?? -1) < 0,
    beat() {
      hold.stand();
      enqueue(HEARTBEAT);
    },
    /** Sends a chunk. Returns false, and sends nothing, when the budget has no room for it. */
    send(chunk: Pick<Chunk, "parts" | "shared">): boolean {
      const parts = chunk.parts.map((part) => (typeof part === "string" ? ENCODER.encode(part) : part));
      // Followers share one copy of these bytes, so no single stream counts them.
      const bytes = chunk.shared ? 0 : parts.reduce((sum, { length }) => sum + length, 0);
      hold.stand();
      if (!hold.take(bytes)) return false;
      untakenBytes += bytes;
      for (const part of parts) enqueue(part);
      return true;
    },
    sentBytes: () => sentBytes,
    /** The socket has taken everything before. */
    taken() {
      hold.give(untakenBytes);
      untakenBytes = 0;
      hold.rest();
    },
    release: () => hold.release(),
    close: () => controller?.close(),
    /** Breaks the stream off, without a reason: Bun would print it. */
    abort: () => controller?.error(),
    fail: (error: unknown) => controller?.error(error),
  };
}
