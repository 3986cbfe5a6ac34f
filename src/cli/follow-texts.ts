import { EventSourceParserStream } from "eventsource-parser/stream";

import { parseCursor } from "../core/cursor.ts";
import { checkEventStream } from "../client/follow.ts";
import { KildeUnreachableError, UnreadableEventError } from "../client/index.ts";
import { parseEvent } from "../client/parse-events.ts";
import { backoffMs, isPassing, type RequestDeps, sendOnce } from "../client/request.ts";

export interface SentEvent {
  readonly position: number;
  /** Where to go on after it: the position with the identity of the log. */
  readonly cursor: string;
  /** A CloudEvent, as the server wrote it. */
  readonly text: string;
}

/** What is followed. */
export interface Followed {
  /** Path of a log, or of a stream or subject of it. */
  readonly path: string;
  /** Only events of these types; absent: all. */
  readonly types?: readonly string[] | undefined;
  /** Of a whole log: only subjects whose name begins so. */
  readonly prefix?: string | undefined;
  /** Cursor to go on after: a position, alone or with the identity of the log. */
  readonly after: string;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** The events of one connection, until it ends. */
async function* connection(
  deps: RequestDeps,
  { path, types = [], prefix, signal }: Followed,
  after: string,
): AsyncGenerator<SentEvent | "connected", void, undefined> {
  const parameters = new URLSearchParams(prefix === undefined ? {} : { subjectPrefix: prefix });
  for (const type of types) parameters.append("type", type);
  parameters.set("lastEventId", after);
  const headers = { accept: "text/event-stream" };
  const init = signal === undefined ? { headers } : { headers, signal };
  const response = await sendOnce(deps, `${path}?${parameters}`, init);
  checkEventStream(response);
  yield "connected";
  if (response.body === null) return;
  const decoder = new TextDecoderStream() as TransformStream<Uint8Array, string>;
  const events = response.body.pipeThrough(decoder).pipeThrough(new EventSourceParserStream());
  try {
    for await (const { id = "", data } of events) {
      if (data === "") continue;
      const cursor = parseCursor(id);
      if (cursor === null) throw new UnreadableEventError(path, null);
      parseEvent(data, path, cursor.position);
      yield { position: cursor.position, cursor: id, text: data };
    }
  } catch (error) {
    if (error instanceof UnreadableEventError) throw error;
    throw new KildeUnreachableError(`The stream was cut off: ${String(error)}`, { cause: error });
  }
}

/** Events as they are written by the server, those to come too; connects again when the server went away. */
export async function* followTexts(
  deps: RequestDeps,
  followed: Followed,
): AsyncGenerator<SentEvent, void, undefined> {
  const isOver = () => followed.signal?.aborted === true;
  let { after } = followed;
  let failures = 0;
  let wasConnected = false;
  while (!isOver()) {
    let failure: unknown = null;
    try {
      for await (const event of connection(deps, followed, after)) {
        wasConnected = true;
        failures = 0;
        if (event === "connected") continue;
        after = event.cursor;
        yield event;
      }
    } catch (error) {
      if (isOver()) return;
      // A server that was never there is a mistake; one that went away comes back.
      if (!wasConnected || !isPassing(error)) throw error;
      failure = error;
    }
    failures += 1;
    await deps.sleep(backoffMs(deps, failures, failure), followed.signal);
  }
}
