import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import type { Chunk } from "../../log/follow/follow.ts";
import type { AppDeps } from "../deps.ts";
import { principalOf } from "../pipeline/authorization.ts";
import type { RequestContext, StreamedAnswer } from "../pipeline/pipeline.ts";
import type { Follower } from "./followers.ts";
import { QUIET_BEATS, StreamOutput } from "./stream-output.ts";

/** A request for an event stream, apart from its context, which a stream would otherwise keep in memory. */
export interface StreamRequest {
  /** Aborts when its client is gone. */
  readonly gone: AbortSignal;
  readonly sender: Principal;
  /** Called once the stream is open. */
  readonly onOpen: (stream: StreamedAnswer) => void;
}

/** Returns the request for an event stream. The access log waits for the end of one that was opened. */
export function streamRequest(c: Context): StreamRequest {
  const context = c.env as RequestContext;
  return {
    gone: c.req.raw.signal,
    sender: principalOf(c),
    onOpen(stream) {
      context.streamed = stream;
    },
  };
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
  /** Returns false, and disconnects the client, when it does not read and the budget of answers has no room, or it is gone. */
  send(chunk: Pick<Chunk, "parts" | "shared">): boolean;
  /** Ends the stream. The client reconnects. */
  end(): void;
  fail(error: unknown): void;
}

/** A class, because each follower has one and the methods are shared. */
class ServedStream implements Follower, SourcedStream, StreamedAnswer, UnderlyingDefaultSource<Uint8Array> {
  readonly #gone: AbortSignal;
  readonly #leave: () => void;
  readonly #output: StreamOutput;
  #listener: ((bytes: number) => void) | null = null;
  #source: StreamSource | null = null;
  #quietBeats = 0;
  #ended = false;

  constructor(
    { gone, sender }: StreamRequest,
    { followers, answers }: Pick<AppDeps, "followers" | "answers">,
  ) {
    this.#leave = followers.enter(this, sender);
    this.#output = new StreamOutput(answers, () => this.#disconnect());
    this.#gone = gone;
    gone.addEventListener("abort", this);
  }

  onEnd(listener: (bytes: number) => void): void {
    if (this.#ended) listener(this.#output.sentBytes());
    else this.#listener = listener;
  }

  /** Takes messages from a source from now on, unless that has ended the stream already. */
  open(source: StreamSource): void {
    if (this.#ended) source.stop();
    else this.#source = source;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#output.start(controller);
  }

  pull(): void {
    if (this.#ended) return;
    this.#output.taken();
    this.#source?.ask();
  }

  cancel(): void {
    this.#letGo();
  }

  beat(): void {
    this.#quietBeats += 1;
    // One unsent heartbeat is enough.
    if (this.#quietBeats < QUIET_BEATS || this.#output.isBehind()) return;
    this.#quietBeats = 0;
    this.#source?.beat();
    this.#output.beat();
  }

  send(chunk: Pick<Chunk, "parts" | "shared">): boolean {
    this.#quietBeats = 0;
    if (this.#output.send(chunk)) return true;
    this.#disconnect();
    return false;
  }

  end(): void {
    if (this.#ended) return;
    this.#letGo();
    this.#output.close();
  }

  /** The client reconnects, and that request is refused. */
  refuse(): void {
    this.end();
  }

  /** The client is gone. */
  handleEvent(): void {
    this.end();
  }

  fail(error: unknown): void {
    this.#letGo();
    this.#output.fail(error);
  }

  #disconnect(): void {
    if (this.#ended) return;
    this.#letGo();
    this.#output.abort();
  }

  #letGo(): void {
    this.#ended = true;
    this.#source?.stop();
    this.#output.release();
    this.#leave();
    this.#gone.removeEventListener("abort", this);
    const listener = this.#listener;
    this.#listener = null;
    listener?.(this.#output.sentBytes());
  }
}

/**
 * Serves an event stream from its source until either side ends it. It is pulled only when the socket has taken everything before,
 * so it buffers nothing for a slow reader. Throws `too-many-followers`, or `unauthenticated`.
 */
export function serveStream(
  request: StreamRequest,
  deps: Pick<AppDeps, "followers" | "closing" | "answers">,
  open: (stream: SourcedStream) => StreamSource,
): ReadableStream<Uint8Array> {
  const served = new ServedStream(request, deps);
  const stream = new ReadableStream<Uint8Array>(served, { highWaterMark: 0 });
  served.open(open(served));
  request.onOpen(served);
  if (deps.closing.aborted || request.gone.aborted) served.end();
  return stream;
}
