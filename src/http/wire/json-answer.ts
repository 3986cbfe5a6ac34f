import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

import { type AnswerHeaders, textAnswer } from "./text-answer.ts";

/** Answers with JSON, whose bytes the access log states. */
export function jsonAnswer(
  c: Context,
  body: object,
  status: ContentfulStatusCode = 200,
  headers: AnswerHeaders = {},
): Response {
  return textAnswer(c, JSON.stringify(body), status, { "Content-Type": "application/json", ...headers });
}
