import { connect as connectTcp, type Socket } from "node:net";

import type { Deadlines } from "../../core/deadlines.ts";
import { type AnswerHead, type AnswerReader, createAnswerReader } from "./answer-reader.ts";
import type { Cutoff } from "./cutoff.ts";
import type { WriteRequest } from "./request-writer.ts";
import { EgressFailure } from "./outgoing.ts";

/** A connection to an endpoint, with one request at a time. */
export interface Connection {
  /**
   * Sends a request, and resolves with its answer: when the body has ended, broke off, is too long or takes too long.
   * Rejects with an EgressFailure.
   */
  exchange(request: string, cutoff: Cutoff): Promise<AnswerHead>;
  /** Whether another request may follow. */
  isReusable(): boolean;
  /** Whether any part of an answer has arrived since the last request was sent. */
  hasAnswer(): boolean;
  close(): void;
}

export interface ConnectionOptions {
  readonly address: string;
  readonly port: number;
  /** Most bytes of an answer's body that are read. */
  readonly mostBytes: number;
  /** The deadlines of bodies, once the status is known. */
  readonly bodyDeadlines: Deadlines;
  readonly writeRequest: WriteRequest;
  /** Called when the connection has ended. */
  readonly onEnd: () => void;
}

/** The request under way. */
interface Exchange {
  readonly cutoff: Cutoff;
  readonly resolve: (head: AnswerHead) => void;
  readonly reject: (failure: EgressFailure) => void;
  /** Stops the deadline of the body; null: the body has no deadline yet. */
  stopDeadline: (() => void) | null;
}

interface ConnectionState {
  readonly socket: Socket;
  readonly reader: AnswerReader;
  current: Exchange | null;
  isConnected: boolean;
  hasEnded: boolean;
  hasAnswer: boolean;
  error: Error | null;
}

/** Settles the request under way: with its answer if its status is known, otherwise with the failure. */
function settle(state: ConnectionState, failure?: EgressFailure): void {
  const { current, reader, isConnected, error } = state;
  if (current === null) return;
  state.current = null;
  current.stopDeadline?.();
  // The next request on this connection has a cutoff of its own.
  current.cutoff.onCut(() => {});
  const head = reader.head();
  if (head !== null) current.resolve(head);
  else
    current.reject(
      failure ?? new EgressFailure("connection", { mayHaveArrived: isConnected, cause: error ?? undefined }),
    );
}

/** Ends the connection: an answer whose status is known counts, whatever happens to its body. */
function end(state: ConnectionState, failure?: EgressFailure): void {
  state.socket.destroy();
  settle(state, failure);
}

function take(
  state: ConnectionState,
  bytes: Buffer,
  { mostBytes, bodyDeadlines }: Pick<ConnectionOptions, "mostBytes" | "bodyDeadlines">,
): void {
  const { socket, reader, current } = state;
  // Nothing was asked.
  if (current === null) return end(state);
  state.hasAnswer = true;
  try {
    reader.take(bytes.toString("latin1"));
  } catch (error) {
    if (!(error instanceof EgressFailure)) throw error;
    return end(state, error);
  }
  if (reader.hasEnded()) {
    // An endpoint that answers early leaves a part of the request unsent.
    if (!reader.isReusable() || socket.writableLength > 0) socket.destroy();
    settle(state);
  } else if (reader.bodyCharacters() >= mostBytes) {
    end(state);
  } else if (reader.head() !== null) {
    current.stopDeadline ??= bodyDeadlines.start(() => end(state));
  }
}

/** Opens a connection. A request is sent once it is there. */
export function openConnection({
  address,
  port,
  writeRequest,
  onEnd,
  ...limits
}: ConnectionOptions): Connection {
  const socket = connectTcp({ host: address, port, noDelay: true });
  const state: ConnectionState = {
    socket,
    reader: createAnswerReader(),
    current: null,
    isConnected: false,
    hasEnded: false,
    hasAnswer: false,
    error: null,
  };
  socket.on("connect", () => {
    state.isConnected = true;
  });
  socket.on("data", (bytes) => take(state, bytes, limits));
  socket.on("error", (error) => {
    state.error = error;
  });
  socket.on("close", () => {
    state.hasEnded = true;
    settle(state);
    onEnd();
  });
  const endNow = () => end(state);

  return {
    exchange(request, cutoff) {
      const { promise, resolve, reject } = Promise.withResolvers<AnswerHead>();
      state.reader.begin();
      state.hasAnswer = false;
      state.current = { cutoff, resolve, reject, stopDeadline: null };
      cutoff.onCut(endNow);
      if (state.hasEnded) endNow();
      else writeRequest(socket, request);
      return promise;
    },
    isReusable: () => !state.hasEnded && !socket.destroyed && state.reader.isReusable(),
    hasAnswer: () => state.hasAnswer,
    close: endNow,
  };
}
