import type { Context } from "hono";

import type { Chunk, Interest } from "../log/follow.ts";
import type { LogReader } from "../log/reader.ts";
import type { AppDeps } from "./deps.ts";

/** A comment is sent when nothing else was for so long, so that neither side takes the other for gone. */
const HEARTBEAT_MS = 15_000;

/** How long a client is asked to wait before it reconnects, in milliseconds. */
const RECONNECT_MS = 1_000;

const HEARTBEAT = ":\n\n";

/**
 * Server-sent events (WHATWG HTML §9.2) of a log after a position. Events are taken from the log only when the
 * socket takes more, so that a slow reader is never buffered for.
 */
export function eventStream(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  interest: Interest,
  after: number,
  /** Name of who reads, if it gave one. */
  consumer: string | null,
): Response {
  const leave = deps.followers.enter();
  const gone = new AbortController();
  const end = () => {
    gone.abort();
    leave();
    c.req.raw.signal.removeEventListener("abort", end);
    deps.closing.removeEventListener("abort", end);
  };
  c.req.raw.signal.addEventListener("abort", end);
  deps.closing.addEventListener("abort", end);
  if (deps.closing.aborted || c.req.raw.signal.aborted) end();

  const saw = (cursor: number) => {
    if (consumer !== null)
      deps.sightings.saw(log.address, consumer, interest.subject === null ? cursor : null);
  };
  saw(after);
  let cursor = after;
  const encoder = new TextEncoder();
  const chunks = log.follow(interest, after, gone.signal);
  let next: Promise<IteratorResult<Chunk, void>> | null = null;

  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(encoder.encode(`retry: ${RECONNECT_MS}\n\n`));
      },
      async pull(controller) {
        next ??= chunks.next();
        const quiet = new AbortController();
        const result = await Promise.race([
          next,
          deps.clock.sleep(HEARTBEAT_MS, quiet.signal).then(() => "quiet" as const),
        ]);
        quiet.abort();
        if (result === "quiet") {
          saw(cursor);
          controller.enqueue(encoder.encode(HEARTBEAT));
          return;
        }
        next = null;
        if (result.done === true) {
          end();
          controller.close();
        } else {
          cursor = result.value.cursor;
          saw(cursor);
          for (const part of result.value.parts)
            controller.enqueue(typeof part === "string" ? encoder.encode(part) : part);
        }
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
  c.header("X-Accel-Buffering", "no");
  return c.body(body, 200, {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
  });
}
