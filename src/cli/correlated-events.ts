import { UnreadableEventError } from "../client/index.ts";
import { KildeError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { MAX_DEPTH } from "./json-argument.ts";
import type { Server } from "./server.ts";

/** Path of the log whose correlations a server indexes. */
const LOG = "/events";

/** An answer nests its events in an array in an object. */
const ANSWER_DEPTH = MAX_DEPTH + 2;

/** A page of the events with a correlation id. */
export interface CorrelatedLines {
  /** CloudEvents as the server sent them, each on one line. */
  readonly lines: readonly string[];
  /** Events at the end of the log whose correlation the server does not know yet. */
  readonly unindexed: number;
}

interface CorrelatedAnswer {
  readonly events: readonly unknown[];
  readonly indexed: number;
  readonly head: number;
  readonly next: number | null;
}

/** The parsed answer, and its events as they are written in it. Throws an UnreadableEventError. */
function parseAnswer(text: string): { readonly answer: CorrelatedAnswer; readonly lines: readonly string[] } {
  try {
    const json = parseJson(text, ANSWER_DEPTH);
    const answer = json.value as CorrelatedAnswer;
    return { answer, lines: answer.events.map((event, index) => json.textAt(["events", index], event)) };
  } catch (error) {
    if (error instanceof KildeError) throw new UnreadableEventError(LOG, null, { cause: error });
    throw error;
  }
}

/** Reads the events with a correlation id in order of position, `most` of them or all. */
export async function* readCorrelatedLines(
  { request }: Server,
  id: string,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<CorrelatedLines, void, undefined> {
  let left = most;
  for (let after: number | null = 0; after !== null && left > 0;) {
    const query: string = new URLSearchParams({ id, after: String(after) }).toString();
    const text: string = await request(`${LOG}/correlated?${query}`, {}, (response) => response.text());
    const { answer, lines } = parseAnswer(text);
    yield { lines: lines.slice(0, left), unindexed: answer.head - answer.indexed };
    left -= lines.length;
    after = answer.next;
  }
}
