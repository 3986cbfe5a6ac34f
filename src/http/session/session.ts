import type { Context } from "hono";

import { grantText, parseGrant } from "../../access/grant.ts";
import { needOfGrant } from "../../access/need-of-grant.ts";
import { covers } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import { KildeError } from "../../core/errors.ts";
import type { AppDeps } from "../deps.ts";
import { validQuery } from "../log/pages.ts";
import { bearerToken } from "../pipeline/authentication.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { bodyOf } from "../wire/json-body.ts";
import { clearCookie, sessionCookie, setCookie } from "./cookies.ts";
import { newSession, sessionQuery } from "./schemas.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

const PRIVATE = { "Cache-Control": "no-store" };

function isGranted({ grants }: Principal, text: string): boolean {
  const parsed = parseGrant(text);
  return !("fault" in parsed) && covers(grants, needOfGrant(parsed));
}

function shown(principal: Principal): Record<string, unknown> {
  const { kind, name, grants, consumer, expires } = principal;
  return {
    kind,
    name,
    grants: grants.map(grantText),
    consumer,
    expires: expires === null ? null : new Date(expires).toISOString(),
  };
}

/** `GET /session` */
export function getSession(c: Context): Response {
  const { may } = validQuery(c, sessionQuery);
  const principal = principalOf(c);
  const asked = may?.map((grant) => ({ grant, granted: isGranted(principal, grant) }));
  return jsonAnswer(c, { ...shown(principal), ...(asked === undefined ? {} : { may: asked }) }, 200, PRIVATE);
}

/** Most bytes of a body with a token. Anyone may send one, so it takes no room that appends need. */
const MOST_TOKEN_BYTES = 32 * 1024;

/** Returns the token in the header or in the body; null: the header has none that could be valid. */
async function sentToken(c: Context, deps: AppDeps): Promise<string | null> {
  const header = c.req.raw.headers.get("authorization");
  return header === null ? (await bodyOf(c, deps, newSession, MOST_TOKEN_BYTES)).token : bearerToken(header);
}

/** `POST /session` */
export async function postSession(c: Context, deps: AppDeps): Promise<Response> {
  const token = await sentToken(c, deps);
  const opened = token === null ? null : await deps.access.sessions.openWithKey(token);
  if (opened === null)
    throw new KildeError("unauthenticated", "The token is not the one of a valid key", {
      credentials: "invalid",
    });
  const { sealed, principal, seconds } = opened;
  return jsonAnswer(c, shown(principal), 201, {
    ...PRIVATE,
    Location: `${deps.basePath}/session`,
    "Set-Cookie": setCookie(sessionCookie(deps.basePath), sealed, seconds),
  });
}

/** `DELETE /session` */
export function deleteSession(c: Context, { basePath }: AppDeps): Response {
  return c.body(null, 204, { ...PRIVATE, "Set-Cookie": clearCookie(sessionCookie(basePath)) });
}
