import type { Context } from "hono";

import { utf8Bytes } from "../../core/names.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import type { AnswerHeaders } from "../wire/text-answer.ts";

/** A file that a server serves as it is. */
export interface StaticFile {
  readonly mediaType: string;
  bytes(): number;
  body(): ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string;
}

/** Returns a file in memory. */
export function contentFile(mediaType: string, content: Uint8Array<ArrayBuffer> | string): StaticFile {
  return {
    mediaType,
    bytes: () => (typeof content === "string" ? utf8Bytes(content) : content.byteLength),
    body: () => content,
  };
}

/** Answers with a file. */
export function fileAnswer(c: Context, file: StaticFile, headers: AnswerHeaders): Response {
  (c.env as RequestContext).bytes = file.bytes();
  return c.body(file.body(), 200, { "Content-Type": file.mediaType, ...headers });
}
