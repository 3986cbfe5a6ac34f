import { isProblemCode, KildeError, PROBLEM_PATH } from "../core/errors.ts";
import type { ProblemMembers } from "../core/problem-members.ts";
import { retryAfterMs } from "../core/retry-after.ts";
import type { Answer } from "./answer.ts";
import { isPassingStatus, noteRetryAfter } from "./retry.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { KildeUnreachableError } from "./unreachable.ts";

function isMembers(value: unknown): value is ProblemMembers & { type?: unknown; detail?: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses JSON; null for any other text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Parses an answer that is a JSON object. Throws a KildeUnreachableError for an incomplete text, and an
 * UnexpectedAnswerError for any other text, which is not Kilde's.
 */
export async function readObject<Body extends object>(answer: Answer): Promise<Body> {
  const text = await answer.text();
  try {
    const value: unknown = JSON.parse(text);
    if (isMembers(value)) return value as Body;
  } catch (error) {
    if (/^\s*\{/.test(text) && !text.trimEnd().endsWith("}")) {
      throw new KildeUnreachableError("The answer was cut off", { cause: error });
    }
  }
  throw new UnexpectedAnswerError(
    answer.status,
    `The server's answer is not a JSON object: ${text.slice(0, 200)}`,
  );
}

/** Rebuilds the error of a problem; null for a value that is not a problem of Kilde. */
export function problemError(problem: unknown): KildeError | null {
  if (!isMembers(problem)) return null;
  const { type, detail, ...members } = problem;
  if (typeof type !== "string" || !type.includes(PROBLEM_PATH)) return null;
  const code = type.slice(type.lastIndexOf("/") + 1);
  return isProblemCode(code) ? new KildeError(code, String(detail), members) : null;
}

/** Rebuilds the error of an answer from the problem's type. */
export async function answerError(answer: Answer, nowMs: number): Promise<Error> {
  const text = await answer.text().catch(() => "");
  const isProblem = /^application\/problem\+json\b/i.test(answer.headers.get("content-type") ?? "");
  const error =
    (isProblem ? problemError(parsed(text)) : null) ??
    new UnexpectedAnswerError(answer.status, `The server answered ${answer.status}: ${text.slice(0, 200)}`);
  if (isPassingStatus(answer.status)) {
    const { headers } = answer;
    const options = { date: headers.get("date"), nowMs, mostMs: Infinity };
    noteRetryAfter(error, retryAfterMs(headers.get("retry-after"), options) ?? 0);
  }
  return error;
}
