import type { WireEvent } from "../core/read-event.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { KildeUnreachableError } from "./unreachable.ts";
import { UnreadableEventError } from "./unreadable-event.ts";

/** Each event of a page starts on a new line, with its position. */
const EVENT_START = /(?<=^\[|,\n)\{"specversion":"1\.0","id":"(\d+)"/g;

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Position of the first event in a page's text that is not JSON; null when the text does not show it. */
function unreadablePosition(text: string): number | null {
  const starts = [...text.matchAll(EVENT_START)];
  const unreadable = starts.find(({ index }, number) => {
    const next = starts[number + 1]?.index;
    return !isJson(text.slice(index, next === undefined ? text.lastIndexOf("]") : next - 2));
  });
  return unreadable === undefined ? null : Number(unreadable[1]);
}

/** Parses one event. Throws an UnreadableEventError. */
export function parseEvent(text: string, log: string, position: number | null): WireEvent {
  try {
    return JSON.parse(text) as WireEvent;
  } catch (error) {
    throw new UnreadableEventError(log, position, { cause: error });
  }
}

/**
 * Parses a page of events. Throws an UnreadableEventError for the first event that is not JSON, and a
 * KildeUnreachableError when the page is incomplete.
 */
export function parsePage(
  text: string,
  log: string,
  parseJson: (text: string) => unknown = JSON.parse,
): readonly WireEvent[] {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!text.startsWith("[")) {
      throw new UnexpectedAnswerError(
        200,
        `The server's answer is not a page of events: ${text.slice(0, 200)}`,
      );
    }
    if (!text.trimEnd().endsWith("]")) {
      throw new KildeUnreachableError("The answer was cut off", { cause: error });
    }
    throw new UnreadableEventError(log, unreadablePosition(text), { cause: error });
  }
  if (Array.isArray(value)) return value as readonly WireEvent[];
  throw new UnexpectedAnswerError(200, `The server's answer is not a page of events: ${text.slice(0, 200)}`);
}
