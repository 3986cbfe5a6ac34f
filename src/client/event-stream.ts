import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";

import type { Answer } from "./answer.ts";
import { type AttemptPlan, openAnswer, type RequestDeps, unreachable } from "./request.ts";
import type { ReplyHeaders } from "./http-transport.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { UnreadableEventError } from "./unreadable-event.ts";

/**
 * Rejects an answer that is not an event stream, such as a proxy's page, which would end and be requested again
 * endlessly.
 */
function checkEventStream({ status, headers }: Answer): void {
  const contentType = headers.get("content-type") ?? "none";
  if (contentType.startsWith("text/event-stream")) return;
  throw new UnexpectedAnswerError(status, `The server answered with content type ${contentType}`);
}

/**
 * Reads the server-sent events of one connection until it ends. Calls `onOpen` with the headers of the answer. Throws
 * a KildeUnreachableError for a connection that is lost or silent for too long. Closes the connection when the caller
 * stops.
 */
export async function* eventStream<Item>(
  deps: RequestDeps,
  path: string,
  signal: AbortSignal | undefined,
  onOpen: (headers: ReplyHeaders) => void,
  read: (message: EventSourceMessage) => Item,
  plan: AttemptPlan,
): AsyncGenerator<Item, void, undefined> {
  const headers = { accept: "text/event-stream" };
  const request = { headers, plan, ...(signal === undefined ? {} : { signal }) };
  const answer = await openAnswer(deps, path, request);
  try {
    checkEventStream(answer);
    onOpen(answer.headers);
    const text = answer
      .chunks()
      .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .pipeThrough(new EventSourceParserStream());
    for await (const message of text) if (message.data !== "") yield read(message);
  } catch (error) {
    if (signal?.aborted === true) return;
    if (error instanceof UnreadableEventError || error instanceof UnexpectedAnswerError) throw error;
    throw unreachable(deps, "The stream was cut off", error);
  } finally {
    answer.close();
  }
}
