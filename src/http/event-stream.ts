import type { Context } from "hono";

import type { FollowStart, Interest } from "../log/follow.ts";
import type { LogReader } from "../log/reader.ts";
import type { AppDeps } from "./deps.ts";
import { logHeaders } from "./log-identity.ts";
import { isHead } from "./resource.ts";

/**
 * A comment is sent when nothing else was for so many beats of five seconds, so that neither side takes the other for
 * gone: at most 15 seconds go by.
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
        deps.sightings.saw(log.address, consumer, interest.subject === null ? cursor : null);
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
  { followers, closing }: AppDeps,
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

  const letGo = () => {
    ended = true;
    following.end();
    leave();
    gone.removeEventListener("abort", end);
  };
  const end = () => {
    if (ended) return;
    letGo();
    out?.close();
  };
  const leave = followers.enter({
    end,
    beat() {
      quietBeats += 1;
      // A heartbeat that waits to be sent is enough.
      if (quietBeats < QUIET_BEATS || !asked || (out?.desiredSize ?? 0) <= 0) return;
      quietBeats = 0;
      saw(cursor);
      out?.enqueue(HEARTBEAT);
    },
  });
  const following = log.follow(interest, start, {
    take(chunk) {
      asked = false;
      quietBeats = 0;
      cursor = chunk.cursor;
      saw(cursor);
      for (const part of chunk.parts) out?.enqueue(typeof part === "string" ? ENCODER.encode(part) : part);
    },
    // The client connects again with the id of the last event, which is judged then.
    renewed: () => end(),
    fail(error) {
      letGo();
      out?.error(error);
    },
  });

  saw(cursor);
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        out = controller;
        controller.enqueue(GREETING);
      },
      pull() {
        // What was asked for comes yet, also when a heartbeat was sent meanwhile.
        if (asked || ended) return;
        asked = true;
        following.ask();
      },
      cancel: letGo,
    },
    { highWaterMark: 1 },
  );
  gone.addEventListener("abort", end);
  if (closing.aborted || gone.aborted) end();
  return stream;
}
