import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import type { FollowStart, Interest } from "../../log/follow/follow.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";
import { logHeaders } from "./log-identity.ts";
import { createStreamOutput, EVENT_STREAM_HEADERS, QUIET_BEATS } from "./stream-output.ts";
import { principalOf } from "../pipeline/authorization.ts";
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
  const request = { gone: c.req.raw.signal, sender: principalOf(c) };
  const record = recordFor(deps, log, interest, consumer);
  return c.body(openStream(request, deps, log, interest, start, record), 200, headers);
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

/** A request for an event stream: when its client is gone, and who sent it. */
interface StreamRequest {
  readonly gone: AbortSignal;
  readonly sender: Principal;
}

function openStream(
  { gone, sender }: StreamRequest,
  { followers, closing, answers, sent }: AppDeps,
  log: LogReader,
  interest: Interest,
  start: FollowStart,
  record: (cursor: number) => void,
): ReadableStream<Uint8Array> {
  const counter = sent.counter(log.name, "stream");
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
      if (output.send(chunk)) counter.add(chunk.count);
      else disconnect();
    },
    // The log has another identity. The client reconnects with the id of its last event, and Kilde then validates
    // that cursor.
    renewed: () => end(),
    fail(error) {
      letGo();
      output.fail(error);
    },
  });

  const output = createStreamOutput(answers, disconnect);
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
