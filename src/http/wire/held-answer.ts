import type { Access } from "../../access/access.ts";
import type { Principal } from "../../access/principal.ts";
import type { ByteBudget, Hold } from "../../core/byte-budget.ts";
import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import { onAccessEnd } from "../pipeline/access-end.ts";

/** A body up to this size is handed to the server whole: sockets take nearly as much at once. */
const WHOLE_BYTES = 128 * 1024;

/** Bytes of a larger body that a socket is given at a time. */
const SLICE_BYTES = 128 * 1024;

export interface HeldAnswerDeps {
  readonly limits: Limits;
  readonly access: Pick<Access, "watch">;
  readonly answers: ByteBudget;
}

/** The bytes of one answer, counted from before they are read until the client has read them. */
export interface HeldAnswer {
  /**
   * Counts bytes that are about to be read. Throws `overloaded` when unread answers hold the permitted bytes already.
   */
  readonly admit: (bytes: number) => void;
  /**
   * Returns the body of the answer, which releases its bytes as the client reads them. A large one breaks off when the
   * access of the sender ends. Throws `unauthenticated` if it has ended.
   */
  readonly send: (parts: readonly Uint8Array<ArrayBuffer>[], bytes: number) => BodyInit | null;
  /** Releases all bytes without sending any. */
  readonly release: () => void;
}

export function holdAnswer({ limits, answers, access }: HeldAnswerDeps, sender: Principal): HeldAnswer {
  let out: ReadableStreamDefaultController<Uint8Array> | null = null;
  let hold: Hold | null = null;
  let stopWatching = () => {};
  const release = () => {
    stopWatching();
    hold?.release();
  };
  /** Disconnects the client, without a reason: Bun would print it. */
  const disconnect = () => {
    release();
    out?.error();
  };
  // Created at the first use: most answers are small and hold nothing.
  const begin = () => (hold ??= answers.hold(disconnect));
  let counted = 0;
  const count = (bytes: number) => {
    if (bytes <= counted) return;
    if (!begin().take(bytes - counted)) {
      const detail = `Answers that clients have not read yet hold most of ${limits.answersBytes} bytes`;
      throw new KildeError("overloaded", detail, { limit: "answersBytes" });
    }
    counted = bytes;
  };

  const stream = (parts: readonly Uint8Array[]): ReadableStream<Uint8Array> => {
    const waiting = parts.filter(({ length }) => length > 0);
    let offset = 0;
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          out = controller;
        },
        pull(controller) {
          hold?.stand();
          const [part] = waiting;
          if (part === undefined) return;
          controller.enqueue(part.subarray(offset, offset + SLICE_BYTES));
          offset += SLICE_BYTES;
          if (offset < part.length) return;
          offset = 0;
          waiting.shift();
          if (waiting.length > 0) return;
          release();
          controller.close();
        },
        cancel: release,
      },
      { highWaterMark: 0 },
    );
  };

  let read = 0;
  return {
    admit(bytes) {
      read += bytes;
      count(read);
    },
    send(parts, bytes) {
      if (bytes > WHOLE_BYTES) {
        count(bytes);
        stopWatching = onAccessEnd(access, sender, disconnect);
        return stream(parts);
      }
      release();
      const [first] = parts;
      return parts.length > 1 ? new Blob([...parts]) : (first ?? null);
    },
    release,
  };
}
