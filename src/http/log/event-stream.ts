import type { Context } from "hono";

import type { FollowStart, Interest } from "../../log/follow/follow.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";
import { logHeaders } from "./log-identity.ts";
import { serveStream, streamRequest, type StreamRequest } from "./served-stream.ts";
import { EVENT_STREAM_HEADERS } from "./stream-output.ts";
import { isHead } from "../pipeline/routes.ts";

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
  const headers = { ...EVENT_STREAM_HEADERS, ...logHeaders(start.identity) };
  if (isHead(c)) return c.body(null, 200, headers);
  const record = recordFor(deps, log, interest, consumer);
  return c.body(openStream(streamRequest(c), deps, log, interest, start, record), 200, headers);
}

/** Apart from the context, which a stream would otherwise keep in memory. */
function recordFor(
  { activity }: AppDeps,
  log: LogReader,
  { subject }: Interest,
  consumer: string | null,
): (cursor: number) => void {
  if (consumer === null) return () => {};
  return (cursor) => activity.record(log.address, consumer, subject === null ? cursor : null);
}

function openStream(
  request: StreamRequest,
  deps: AppDeps,
  log: LogReader,
  interest: Interest,
  start: FollowStart,
  record: (cursor: number) => void,
): ReadableStream<Uint8Array> {
  const counter = deps.sent.counter(log.name, "stream");
  let cursor = start.position;
  let asked = false;
  return serveStream(request, deps, (stream) => {
    const following = log.follow(interest, start, {
      take(chunk) {
        asked = false;
        cursor = chunk.cursor;
        record(cursor);
        if (stream.send(chunk)) counter.add(chunk.count);
      },
      // The log has another identity. The client reconnects with the id of its last event, and Kilde then validates
      // that cursor.
      renewed: () => stream.end(),
      fail: (error) => stream.fail(error),
    });
    record(cursor);
    return {
      ask() {
        if (asked) return;
        asked = true;
        following.ask();
      },
      beat: () => record(cursor),
      stop: () => following.end(),
    };
  });
}
