import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import type { Chunk } from "../../log/follow/follow.ts";
import type { AppDeps } from "../deps.ts";
import { principalOf } from "../pipeline/authorization.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import { createStreamOutput, QUIET_BEATS } from "./stream-output.ts";

/** A request for an event stream, apart from its context, which a stream would otherwise keep in memory. */
export interface StreamRequest {
  /** Aborts when its client is gone. */
  readonly gone: AbortSignal;
  readonly sender: Principal;
  /** Called with the bytes that were sent, once the stream has ended. */
  readonly onEnd: (bytes: number) => void;
}

/** Returns the request for an event stream, whose end the access log waits for. */
export function streamRequest(c: Context): StreamRequest {
  let onEnd: StreamRequest["onEnd"] = () => {};
  (c.env as RequestContext).streamed = new Promise((resolve) => {
    onEnd = resolve;
  });
  return { gone: c.req.raw.signal, sender: principalOf(c), onEnd };
}

/** Where a stream takes its messages from. */
interface StreamSource {
  /** The socket has taken everything before. Called again after a heartbeat, without a message in between. */
  ask(): void;
  /** Called before each heartbeat. */
  beat(): void;
  /** Nobody reads the stream any more. */
  stop(): void;
}

/** A stream, as its source uses it. */
interface SourcedStream {
  /** Returns false, and disconnects the client, when the budget of answers has no room: the client does not read. */
  readonly send: (chunk: Pick<Chunk, "parts" | "shared">) => boolean;
  /** Ends the stream. The client reconnects. */
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Serves an event stream from its source until either side ends it. It is pulled only when the socket has taken everything before,
 * so it buffers nothing for a slow reader. Throws `too-many-followers`, or `unauthenticated`.
 */
export function serveStream(
  { gone, sender, onEnd }: StreamRequest,
  { followers, closing, answers }: Pick<AppDeps, "followers" | "closing" | "answers">,
  open: (stream: SourcedStream) => StreamSource,
): ReadableStream<Uint8Array> {
  let source: StreamSource | null = null;
  let quietBeats = 0;
  let ended = false;

  const letGo = () => {
    ended = true;
    source?.stop();
    output.release();
    leave();
    onEnd(output.sentBytes());
    gone.removeEventListener("abort", end);
  };
  const finish = (close: () => void) => {
    if (ended) return;
    letGo();
    close();
  };
  const end = () => finish(() => output.close());
  const disconnect = () => finish(() => output.abort());
  const beat = () => {
    quietBeats += 1;
    // One unsent heartbeat is enough.
    if (quietBeats < QUIET_BEATS || output.isBehind()) return;
    quietBeats = 0;
    source?.beat();
    output.beat();
  };

  // The client reconnects, and that request is refused.
  const leave = followers.enter({ end, refuse: () => end(), beat }, sender);
  const output = createStreamOutput(answers, disconnect);
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (controller) => output.start(controller),
      pull() {
        if (ended) return;
        output.taken();
        source?.ask();
      },
      cancel: letGo,
    },
    { highWaterMark: 0 },
  );
  gone.addEventListener("abort", end);
  const opened = open({
    send(chunk) {
      quietBeats = 0;
      if (output.send(chunk)) return true;
      disconnect();
      return false;
    },
    end,
    fail(error) {
      letGo();
      output.fail(error);
    },
  });
  // The source may have ended the stream already, before it was known here.
  if (ended) opened.stop();
  source = ended ? null : opened;
  if (closing.aborted || gone.aborted) end();
  return stream;
}
