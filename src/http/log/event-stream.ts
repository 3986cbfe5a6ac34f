import type { Context } from "hono";

import type { FollowStart, Interest } from "../../log/follow/follow.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";
import { logHeaders } from "./log-identity.ts";
import { isHead } from "../pipeline/routes.ts";

/**
 * A comment is sent when nothing else was for so many beats of five seconds, so that neither side takes the other for
 * gone: at most 10 seconds go by, and the client waits for 15 (`client/deadline.ts`).
 */
const QUIET_BEATS = 2;

/** How long a client is asked to wait before it reconnects, in milliseconds. */
const RECONNECT_MS = 1_000;

const ENCODER = new TextEncoder();
const GREETING = ENCODER.encode(`retry: ${RECONNECT_MS}\n\n`);
const HEARTBEAT = ENCODER.encode(":\n\n");

/**
 * Server-sent events (WHATWG HTML §9.2) of a log after a position. Events are taken from the log only when the
 * socket takes more, so that a slow reader is never buffered for.
 */
export function eventStream(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  interest: Interest,
  start: FollowStart,
  /** Name of who reads, if it gave one. */
  consumer: string | null,
): Response {
  const open = () =>
    openStream(c.req.raw.signal, deps, log, interest, start, (cursor) => {
      if (consumer !== null)
        deps.sightings.record(log.address, consumer, interest.subject === null ? cursor : null);
    });
  c.header("X-Accel-Buffering", "no");
  const headers = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    ...logHeaders(start.identity),
  };
  return isHead(c) ? c.body(null, 200, headers) : c.body(open(), 200, headers);
}

function openStream(
  gone: AbortSignal,
  { followers, closing, answers }: AppDeps,
  log: LogReader,
  interest: Interest,
  start: FollowStart,
  saw: (cursor: number) => void,
): ReadableStream<Uint8Array> {
  let out: ReadableStreamDefaultController<Uint8Array> | null = null;
  let cursor = start.position;
  let asked = false;
  let quietBeats = 0;
  let ended = false;
  /** Bytes that the socket has not taken yet. */
  let untaken = 0;

  const letGo = () => {
    ended = true;
    following.end();
    hold.release();
    leave();
    gone.removeEventListener("abort", end);
  };
  const end = () => {
    if (ended) return;
    letGo();
    out?.close();
  };
  /** Disconnects a client that does not read. It continues from its cursor when it connects again. */
  const disconnect = () => {
    if (ended) return;
    letGo();
    // Without a reason: Bun would print it.
    out?.error();
  };
  const leave = followers.enter({
    end,
    beat() {
      quietBeats += 1;
      // A heartbeat that waits to be sent is enough.
      if (quietBeats < QUIET_BEATS || (out?.desiredSize ?? -1) < 0) return;
      quietBeats = 0;
      saw(cursor);
      hold.stand();
      out?.enqueue(HEARTBEAT);
    },
  });
  const following = log.follow(interest, start, {
    take(chunk) {
      asked = false;
      quietBeats = 0;
      cursor = chunk.cursor;
      saw(cursor);
      const parts = chunk.parts.map((part) => (typeof part === "string" ? ENCODER.encode(part) : part));
      // What all listeners are given together is there once.
      const bytes = chunk.shared ? 0 : parts.reduce((sum, { length }) => sum + length, 0);
      hold.stand();
      if (!hold.take(bytes)) {
        disconnect();
        return;
      }
      untaken += bytes;
      for (const part of parts) out?.enqueue(part);
    },
    // The client connects again with the id of the last event, which is judged then.
    renewed: () => end(),
    fail(error) {
      letGo();
      out?.error(error);
    },
  });

  const hold = answers.hold(disconnect);
  saw(cursor);
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        out = controller;
        controller.enqueue(GREETING);
      },
      pull() {
        if (ended) return;
        hold.give(untaken);
        untaken = 0;
        hold.rest();
        // What was asked for is still to come, also when a heartbeat was sent meanwhile.
        if (asked) return;
        asked = true;
        following.ask();
      },
      cancel: letGo,
    },
    // It is pulled only when the socket has taken everything before.
    { highWaterMark: 0 },
  );
  gone.addEventListener("abort", end);
  if (closing.aborted || gone.aborted) end();
  return stream;
}
