import { EventSourceParserStream } from "eventsource-parser/stream";

import { parseCursor } from "../core/cursor.ts";
import { eventOf, type WireEvent } from "../core/read-event.ts";
import { queryString, sourcePath } from "./read.ts";
import { parseEvent } from "./parse-events.ts";
import {
  backoffMs,
  isPassing,
  KildeUnreachableError,
  type RequestDeps,
  sendOnce,
  UnexpectedAnswerError,
} from "./request.ts";
import { UnreadableEventError } from "./unreadable-event.ts";
import type { FollowOptions, KildeEvent } from "./types.ts";

/** The server sends something every 15 seconds: after three of these without, the connection is taken for dead. */
const SILENCE_MS = 45_000;

/** Passes bytes on, and fails the stream when none come for too long. */
function watched(deps: RequestDeps, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const awake = new AbortController();
      const silence = deps.sleep(SILENCE_MS, awake.signal).then(
        () => "silence" as const,
        () => new Promise<never>(() => {}),
      );
      try {
        const result = await Promise.race([reader.read(), silence]);
        if (result === "silence") throw new Error(`nothing came for ${SILENCE_MS} ms`);
        if (result.done) controller.close();
        else controller.enqueue(result.value);
      } finally {
        awake.abort();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** Refuses an answer that is no event stream, such as a proxy's page: it would end, and be asked for again, without an end. */
export function checkEventStream({ status, headers }: Response): void {
  const contentType = headers.get("content-type") ?? "none";
  if (contentType.startsWith("text/event-stream")) return;
  throw new UnexpectedAnswerError(
    status,
    `The server answered with no event stream, but content type ${contentType}`,
  );
}

/** Events of one connection, until it ends or fails. */
async function* connection(
  deps: RequestDeps,
  options: FollowOptions,
  lastEventId: string | number | undefined,
): AsyncGenerator<WireEvent, void, undefined> {
  const { types, streamPrefix, signal } = options;
  const path = sourcePath(options) + queryString({ lastEventId, type: types, subjectPrefix: streamPrefix });
  const headers = { accept: "text/event-stream" };
  const response = await sendOnce(deps, path, signal === undefined ? { headers } : { headers, signal });
  checkEventStream(response);
  const identity = response.headers.get("kilde-log");
  if (identity !== null) options.onLog?.(identity);
  if (response.body === null) throw new KildeUnreachableError("The server sent no stream");
  const text = watched(deps, response.body).pipeThrough(
    new TextDecoderStream() as TransformStream<Uint8Array, string>,
  );
  try {
    for await (const { id, data } of text.pipeThrough(new EventSourceParserStream())) {
      if (data !== "") yield parseEvent(data, sourcePath(options), parseCursor(id ?? "")?.position ?? null);
    }
  } catch (error) {
    if (signal?.aborted === true) return;
    if (error instanceof UnreadableEventError) throw error;
    throw new KildeUnreachableError(`The stream was cut off: ${String(error)}`, { cause: error });
  }
}

/** The position of a cursor; 0 for a text that the server will refuse. */
function positionOf(lastEventId: string | number): number {
  return parseCursor(String(lastEventId))?.position ?? 0;
}

/**
 * Follows a log for good: after a lost connection it goes on from the last event seen, so that none is missed
 * and none comes twice. Ends when the signal aborts; throws what another attempt would not change.
 */
export async function* follow<Data>(
  deps: RequestDeps,
  options: FollowOptions,
): AsyncGenerator<KildeEvent<Data>, void, undefined> {
  const { signal } = options;
  const aborted = () => signal?.aborted === true;
  let { lastEventId } = options;
  let failures = 0;
  while (!aborted()) {
    let failure: unknown = null;
    try {
      for await (const event of connection(deps, options, lastEventId)) {
        failures = 0;
        const read = eventOf<Data>(event);
        if (lastEventId !== undefined && read.position <= positionOf(lastEventId)) continue;
        lastEventId = read.cursor;
        yield read;
        if (aborted()) return;
      }
    } catch (error) {
      if (aborted()) return;
      if (!isPassing(error)) throw error;
      failure = error;
    }
    failures += 1;
    // The signal ends the wait and, with it, the loop.
    await deps.sleep(backoffMs(deps, failures, failure), signal).catch(() => {});
  }
}
