import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import type { ByteBudget } from "../../core/byte-budget.ts";
import type { Chunk, FollowStart, Interest } from "../../log/follow/follow.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";
import { logHeaders } from "./log-identity.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { isHead } from "../pipeline/routes.ts";

/**
 * Beats of five seconds without an event until the stream sends a comment, so that neither side takes the other for
 * gone. The longest silence is 10 seconds; the client waits for 15 (`client/deadline.ts`).
 */
const QUIET_BEATS = 2;

/** Delay before a client reconnects, in milliseconds. */
const RECONNECT_MS = 1_000;

const ENCODER = new TextEncoder();
const GREETING = ENCODER.encode(`retry: ${RECONNECT_MS}\n\n`);
const HEARTBEAT = ENCODER.encode(":\n\n");

/**
 * Returns server-sent events (WHATWG HTML §9.2) of a log after a position. The stream reads the log only when the
 * socket takes more, so it buffers nothing for a slow reader.
 */
export function eventStream(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  interest: Interest,
  start: FollowStart,
  /** Name of the reader; null: it gave none. */
  consumer: string | null,
): Response {
  const open = () =>
    openStream({ gone: c.req.raw.signal, sender: principalOf(c) }, deps, log, interest, start, (cursor) => {
      if (consumer !== null)
        deps.activity.record(log.address, consumer, interest.subject === null ? cursor : null);
    });
  c.header("X-Accel-Buffering", "no");
  const headers = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    ...logHeaders(start.identity),
  };
  return isHead(c) ? c.body(null, 200, headers) : c.body(open(), 200, headers);
}

/** The output of one stream. Its bytes count in the budget until the socket takes them. */
function createOutput(answers: ByteBudget, disconnect: () => void) {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  let untakenBytes = 0;
  const hold = answers.hold(disconnect);
  return {
    start(started: ReadableStreamDefaultController<Uint8Array>) {
      controller = started;
      controller.enqueue(GREETING);
    },
    /** Whether bytes that were sent are still on their way to the socket. */
    isBehind: () => (controller?.desiredSize ?? -1) < 0,
    beat() {
      hold.stand();
      controller?.enqueue(HEARTBEAT);
    },
    /** Sends a chunk. Returns false, and sends nothing, when the budget has no room for it. */
    send(chunk: Chunk): boolean {
      const parts = chunk.parts.map((part) => (typeof part === "string" ? ENCODER.encode(part) : part));
      // Followers share one copy of these bytes, so no single stream counts them.
      const bytes = chunk.shared ? 0 : parts.reduce((sum, { length }) => sum + length, 0);
      hold.stand();
      if (!hold.take(bytes)) return false;
      untakenBytes += bytes;
      for (const part of parts) controller?.enqueue(part);
      return true;
    },
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

/** A request for an event stream: when its client is gone, and who sent it. */
interface StreamRequest {
  readonly gone: AbortSignal;
  readonly sender: Principal;
}

function openStream(
  { gone, sender }: StreamRequest,
  { followers, closing, answers }: AppDeps,
  log: LogReader,
  interest: Interest,
  start: FollowStart,
  record: (cursor: number) => void,
): ReadableStream<Uint8Array> {
  let cursor = start.position;
  let asked = false;
  let quietBeats = 0;
  let ended = false;

  const letGo = () => {
    ended = true;
    following.end();
    output.release();
    leave();
    gone.removeEventListener("abort", end);
  };
  const finish = (close: () => void) => {
    if (ended) return;
    letGo();
    close();
  };
  const end = () => finish(() => output.close());
  /** Disconnects a client that does not read. The client can continue from its cursor. */
  const disconnect = () => finish(() => output.abort());
  const beat = () => {
    quietBeats += 1;
    // One unsent heartbeat is enough.
    if (quietBeats < QUIET_BEATS || output.isBehind()) return;
    quietBeats = 0;
    record(cursor);
    output.beat();
  };
  // The client reconnects, and that request is refused.
  const leave = followers.enter({ end, refuse: () => end(), beat }, sender);
  const following = log.follow(interest, start, {
    take(chunk) {
      asked = false;
      quietBeats = 0;
      cursor = chunk.cursor;
      record(cursor);
      if (!output.send(chunk)) disconnect();
    },
    // The log has another identity. The client reconnects with the id of its last event, and Kilde then validates
    // that cursor.
    renewed: () => end(),
    fail(error) {
      letGo();
      output.fail(error);
    },
  });

  const output = createOutput(answers, disconnect);
  record(cursor);
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (controller) => output.start(controller),
      pull() {
        if (ended) return;
        output.taken();
        // The earlier pull is still pending, even if a heartbeat was sent meanwhile.
        if (asked) return;
        asked = true;
        following.ask();
      },
      cancel: letGo,
    },
    // The stream is pulled only when the socket has taken everything before.
    { highWaterMark: 0 },
  );
  gone.addEventListener("abort", end);
  if (closing.aborted || gone.aborted) end();
  return stream;
}
