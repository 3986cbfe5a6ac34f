import type { Clock } from "../../core/clock.ts";
import type { TimeSlices } from "../../core/time-slices.ts";
import { textOf } from "./body.ts";
import { readLargeAppend, readLargeTransaction } from "./large-body.ts";
import { type EntriesFormat, readEntries, readLargeEntries } from "../streams/entries.ts";
import {
  type AppendHead,
  type IncomingPart,
  readAppend,
  type ReadAppend,
  readTransaction,
} from "../streams/new-events.ts";

/** A body above this size is read where it does not delay other requests, one such body at a time. */
const LARGE_BYTES = 256 * 1024;

/** Smaller bodies are parsed at once: they take negligible time. */
const SMALL_BYTES = 32 * 1024;

/** The kind of a body. Plain data, so that another thread can read the body. */
export type ParseTask =
  | { readonly kind: "append"; readonly head: AppendHead; readonly stream: string }
  | { readonly kind: "transaction" }
  | { readonly kind: "entries"; readonly format: EntriesFormat };

/** Reads a large body, and takes its bytes over. */
export type ParseLarge = (task: ParseTask, bytes: Uint8Array<ArrayBuffer>) => Promise<IncomingPart[]>;

export function parseLarge(
  task: ParseTask,
  bytes: Uint8Array<ArrayBuffer>,
  reading: ReadAppend,
): IncomingPart[] {
  const text = textOf({ bytes });
  if (task.kind === "transaction") return readLargeTransaction(text, reading);
  if (task.kind === "entries") return readLargeEntries(text, task.format, reading);
  const { head, stream } = task;
  return [{ ...readLargeAppend(head, text, stream, reading), subject: stream }];
}

/** Reads large bodies in this thread, and yields a turn of the event loop before each. */
export function parseLargeHere(reading: ReadAppend, clock: Clock): ParseLarge {
  let last = Promise.resolve();
  return async (task, bytes) => {
    last = last.then(() => clock.yield());
    await last;
    return parseLarge(task, bytes, reading);
  };
}

export interface ParsingDeps extends ReadAppend {
  readonly parseLarge: ParseLarge;
  readonly parseSlices: TimeSlices;
}

/** Returns the appends in a body. Throws a KildeError with its faults. */
export function parseBody(
  task: ParseTask,
  bytes: Uint8Array<ArrayBuffer>,
  deps: ParsingDeps,
): IncomingPart[] | Promise<IncomingPart[]> {
  if (bytes.length > LARGE_BYTES) return deps.parseLarge(task, bytes);
  if (bytes.length <= SMALL_BYTES) return parseSmall(task, bytes, deps);
  return deps.parseSlices.run(() => parseSmall(task, bytes, deps));
}

function parseSmall(task: ParseTask, bytes: Uint8Array<ArrayBuffer>, reading: ReadAppend): IncomingPart[] {
  const text = textOf({ bytes });
  if (task.kind === "transaction") return readTransaction(text, reading);
  if (task.kind === "entries") return readEntries(text, task.format, reading);
  const { head, stream } = task;
  return [{ ...readAppend(head, text, stream, reading), subject: stream }];
}
