import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

import { utf8Bytes } from "../../core/names.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string>>;

/** Answers with a text, whose bytes the access log states. */
export function textAnswer(
  c: Context,
  text: string,
  status: ContentfulStatusCode,
  headers: AnswerHeaders,
): Response {
  (c.env as RequestContext).bytes = utf8Bytes(text);
  return c.body(text, status, headers);
}
