/** The headers of an answer. */
export type ReplyHeaders = Pick<Headers, "get">;

/** The members of a `Response` that the client uses. */
export interface Reply {
  readonly status: number;
  readonly headers: ReplyHeaders;
  /** Null for an answer that has no body. */
  readonly body: ReadableStream<Uint8Array> | null;
  /** Reads the whole body. */
  text(): Promise<string>;
}

/** The end of a request before its answer is complete. */
export interface Cancellation {
  /** For `fetch`. Created when it is read, because a signal costs a tenth of a request in Node. */
  readonly signal: AbortSignal;
  /** Sets the function that cancels the request. Calls it at once for a request that is already canceled. */
  onCancel(cancel: (reason: unknown) => void): void;
}

/** Sends a request and resolves when the headers of the answer have arrived, as `fetch` does. */
export type HttpTransport = (url: string, init: RequestInit, cancellation: Cancellation) => Promise<Reply>;

/** The transport that sends requests with `fetch`. */
export function fetchTransport(fetch: (url: string, init: RequestInit) => Promise<Reply>): HttpTransport {
  return (url, init, { signal }) => fetch(url, { ...init, signal });
}

const BODILESS = new Set([204, 205, 304]);

/** Whether answers to a method with a status have a body, which may be empty. */
export function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && !BODILESS.has(status);
}
