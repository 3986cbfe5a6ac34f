import type { Context } from "hono";
import type { z } from "zod";

import { KildeError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import type { AppDeps } from "../deps.ts";
import { requireAccessNow } from "../pipeline/access-end.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { validationError } from "../pipeline/problems.ts";
import { readSmallText } from "./body.ts";

const BODY_DEPTH = 4;

/** Returns the text of a body other than an append. Throws a KildeError if the access of the sender has ended meanwhile. */
export async function bodyText(c: Context, deps: AppDeps, maxBytes?: number): Promise<string> {
  const text = await readSmallText(c.req.raw, deps, maxBytes);
  await requireAccessNow(deps.access, principalOf(c));
  return text;
}

/** Returns the validated body of a request. Throws a KildeError when there is none. `maxBytes`: default 1 MiB. */
export async function bodyOf<Body>(
  c: Context,
  deps: AppDeps,
  schema: z.ZodType<Body>,
  maxBytes?: number,
): Promise<Body> {
  const text = await bodyText(c, deps, maxBytes);
  if (text === "") throw new KildeError("invalid-body", "The request has no body");
  return validBody(text, schema);
}

/** Returns the validated body of a request that may have none, if all of its members have defaults. */
export async function optionalBodyOf<Body>(
  c: Context,
  deps: AppDeps,
  schema: z.ZodType<Body>,
): Promise<Body> {
  const text = await bodyText(c, deps);
  return validBody(text === "" ? "{}" : text, schema);
}

function validBody<Body>(text: string, schema: z.ZodType<Body>): Body {
  const body = schema.safeParse(parseJson(text, BODY_DEPTH).value);
  if (!body.success) throw validationError("invalid-body", body.error.issues);
  return body.data;
}
