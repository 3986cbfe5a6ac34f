import { EventSourceParserStream } from "eventsource-parser/stream";

import type { WireEvent } from "../support/app.ts";
import type { Node } from "../support/store.ts";

/** Follows over server-sent events; a caller that stops iterating ends the connection. */
export async function* follow(node: Node, path: string): AsyncGenerator<WireEvent, void, undefined> {
  const gone = new AbortController();
  const response = await node.fetch(path, {
    headers: { accept: "text/event-stream" },
    signal: gone.signal,
  });
  if (response.status !== 200 || response.body === null) throw new Error(`${path}: ${response.status}`);
  const messages = response.body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>)
    .pipeThrough(new EventSourceParserStream());
  try {
    for await (const { id, data } of messages) {
      const event = JSON.parse(data) as WireEvent;
      if (`${event.id}-${event.logidentity}` !== id)
        throw new Error(`the message ${id ?? ""} has the event ${event.id}`);
      yield event;
    }
  } finally {
    gone.abort();
  }
}
