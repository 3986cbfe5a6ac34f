import { KildeError } from "../core/errors.ts";
import type { Answer } from "./answer.ts";
import { problemError } from "./parse-answer.ts";
import { isPassingStatus, noteRetryAfter } from "./retry.ts";
import type { Appended } from "./types.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { KildeUnreachableError } from "./unreachable.ts";

/** The outcome of one append of several in a request. */
export type EntryOutcome =
  | { readonly appended: Appended }
  | { readonly error: Error; readonly status: number };

interface WireOutcome extends Appended {
  readonly status: number;
}

function isOutcome(value: unknown): value is WireOutcome {
  return typeof value === "object" && value !== null && "status" in value && typeof value.status === "number";
}

/** Returns the error of a problem, as the answer to a single append would be. The delay of a single one is a header. */
function errorOf(outcome: WireOutcome): Error {
  const { status } = outcome;
  if (!isPassingStatus(status))
    return problemError(outcome) ?? new UnexpectedAnswerError(status, `The server answered ${status}`);
  const { retryAfterSeconds = 0, ...problem } = outcome as WireOutcome & {
    readonly retryAfterSeconds?: number;
  };
  const error = problemError(problem) ?? new UnexpectedAnswerError(status, `The server answered ${status}`);
  noteRetryAfter(error, retryAfterSeconds * 1_000);
  return error;
}

function outcomeOf(outcome: WireOutcome): EntryOutcome {
  if (outcome.status !== 201) return { error: errorOf(outcome), status: outcome.status };
  const { stream, version, position, count } = outcome;
  return { appended: { stream, version, position, count } };
}

/**
 * Reads the outcomes of `POST /appends`, one for each append. Throws a KildeUnreachableError for an incomplete text, and
 * an UnexpectedAnswerError for any other text, which is not Kilde's.
 */
export async function readOutcomes(answer: Answer, count: number): Promise<readonly EntryOutcome[]> {
  const text = await answer.text();
  try {
    const outcomes: unknown = JSON.parse(text);
    if (Array.isArray(outcomes) && outcomes.length === count && outcomes.every(isOutcome))
      return outcomes.map(outcomeOf);
  } catch (error) {
    if (/^\s*\[/.test(text) && !text.trimEnd().endsWith("]"))
      throw new KildeUnreachableError("The answer was cut off", { cause: error });
  }
  throw new UnexpectedAnswerError(
    answer.status,
    `The server's answer is not the outcomes of ${count} appends: ${text.slice(0, 200)}`,
  );
}

/** The position that a read must include to show the reason of an error; 0: any. */
export function reasonPosition(error: Error): number {
  return error instanceof KildeError ? (error.members.head ?? 0) : 0;
}
