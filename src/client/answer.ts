import type { RequestAttempt } from "./deadline.ts";
import { hasBody, type Reply, type ReplyHeaders } from "./http-transport.ts";

/** An answer whose body is read under a deadline. */
export interface Answer {
  readonly status: number;
  readonly headers: ReplyHeaders;
  /** Reads the whole body as text. */
  text(): Promise<string>;
  /** The body as it arrives; empty for an answer without one. Fails when the server is silent for too long. */
  chunks(): ReadableStream<Uint8Array>;
  /** Releases the answer. Cancels a body that was not read to its end. */
  close(): void;
}

/** A body of at most this size arrives within one silence, so its chunks need no deadline. */
const SHORT_BYTES = 64 * 1024;

function isShort(headers: ReplyHeaders): boolean {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= SHORT_BYTES;
}

/**
 * Cancels a body when its request is aborted. A `fetch` that calls an app in this process may lose the signal: in Node, the requests
 * that the app creates from a request abort with it only while something holds them.
 */
function cancelOnAbort(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal): void {
  const cancel = () => void reader.cancel().catch(() => {});
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
}

/** Puts the body of an answer under a deadline for silence. */
export function answerOf(reply: Reply, method: string, attempt: RequestAttempt, silenceMs: number): Answer {
  const { status, headers } = reply;
  let isComplete = !hasBody(method, status);

  const readText = async (): Promise<string> => {
    if (isComplete) return "";
    if (isShort(headers)) return attempt.within(silenceMs, reply.text());
    if (reply.body === null) return "";
    const reader = reply.body.getReader();
    const decoder = new TextDecoder();
    const parts: string[] = [];
    for (;;) {
      const { done, value } = await attempt.within(silenceMs, reader.read());
      if (done) break;
      parts.push(decoder.decode(value, { stream: true }));
    }
    parts.push(decoder.decode());
    return parts.join("");
  };

  return {
    status,
    headers,
    async text() {
      const text = await readText();
      isComplete = true;
      return text;
    },
    chunks() {
      const reader = reply.body?.getReader();
      if (reader !== undefined) cancelOnAbort(reader, attempt.signal);
      return new ReadableStream<Uint8Array>({
        async pull(controller) {
          const result = reader && (await attempt.within(silenceMs, reader.read()));
          if (result?.value !== undefined) {
            controller.enqueue(result.value);
            return;
          }
          isComplete = true;
          controller.close();
        },
        cancel: (reason) => reader?.cancel(reason),
      });
    },
    close: () => attempt.end(isComplete ? "complete" : "abort"),
  };
}
