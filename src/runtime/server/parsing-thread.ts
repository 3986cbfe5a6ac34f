import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import { type BodyFault, bodyFaultOf } from "../../http/streams/body-fault.ts";
import type { IncomingPart } from "../../http/streams/new-events.ts";
import { parseLarge, type ParseTask } from "../../http/wire/parsing.ts";
import { createSchemas } from "../../http/openapi/schemas.ts";

/*
 * The thread that reads large bodies, one at a time.
 */

export type ParserCommand =
  | { readonly kind: "open"; readonly limits: Limits }
  | { readonly kind: "parse"; readonly task: ParseTask; readonly bytes: Uint8Array<ArrayBuffer> };

/** The thread's answer to each body. An unexpected error travels as its text. */
export type ParserReport =
  | { readonly kind: "parsed"; readonly parts: readonly IncomingPart[] }
  | { readonly kind: "refused"; readonly fault: BodyFault }
  | { readonly kind: "failed"; readonly message: string };

declare const self: Worker;

const report = (message: ParserReport) => self.postMessage(message);

let reading: { readonly limits: Limits; readonly schemas: ReturnType<typeof createSchemas> } | null = null;

self.addEventListener("message", ({ data }: MessageEvent<ParserCommand>) => {
  if (data.kind === "open") {
    reading = { limits: data.limits, schemas: createSchemas(data.limits) };
    return;
  }
  try {
    if (reading === null) throw new Error("a body arrived before the limits");
    report({ kind: "parsed", parts: parseLarge(data.task, data.bytes, reading) });
  } catch (error) {
    if (error instanceof KildeError) report({ kind: "refused", fault: bodyFaultOf(error) });
    else report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});
