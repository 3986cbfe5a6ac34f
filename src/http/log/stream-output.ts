import type { ByteBudget, Hold } from "../../core/byte-budget.ts";
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

/**
 * The output of one event stream. Its bytes count in the budget until the socket takes them. A class, because each follower has
 * one and the methods are shared.
 */
export class StreamOutput {
  readonly #hold: Hold;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #untakenBytes = 0;
  #sentBytes = 0;

  constructor(answers: ByteBudget, disconnect: () => void) {
    this.#hold = answers.hold(disconnect);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#enqueue(GREETING);
  }

  /** Whether bytes that were sent are still on their way to the socket. */
  isBehind(): boolean {
    return (this.#controller?.desiredSize ?? -1) < 0;
  }

  beat(): void {
    this.#hold.stand();
    this.#enqueue(HEARTBEAT);
  }

  /** Sends a chunk. Returns false when the budget has no room for it, or the runtime has closed the stream. */
  send(chunk: Pick<Chunk, "parts" | "shared">): boolean {
    const parts = chunk.parts.map((part) => (typeof part === "string" ? ENCODER.encode(part) : part));
    // Followers share one copy of these bytes, so no single stream counts them.
    const bytes = chunk.shared ? 0 : parts.reduce((sum, { length }) => sum + length, 0);
    this.#hold.stand();
    if (!this.#hold.take(bytes)) return false;
    this.#untakenBytes += bytes;
    try {
      for (const part of parts) this.#enqueue(part);
    } catch {
      return false;
    }
    return true;
  }

  sentBytes(): number {
    return this.#sentBytes;
  }

  /** The socket has taken everything before. */
  taken(): void {
    this.#hold.give(this.#untakenBytes);
    this.#untakenBytes = 0;
    this.#hold.rest();
  }

  release(): void {
    this.#hold.release();
  }

  close(): void {
    try {
      this.#controller?.close();
    } catch {
      // The runtime has closed the stream, since its client is gone. The caller continues with the next of several streams.
    }
  }

  /** Breaks the stream off, without a reason: Bun would print it. */
  abort(): void {
    this.#controller?.error();
  }

  fail(error: unknown): void {
    this.#controller?.error(error);
  }

  #enqueue(part: Uint8Array): void {
    this.#sentBytes += part.length;
    this.#controller?.enqueue(part);
  }
}
