import type { Context } from "hono";

import { issuedKeyJson, keyJson, keyNotFound, revokedKeyJson } from "../../access/key-json.ts";
import { findKey, listKeys } from "../../access/keys.ts";
import {
  recordKeyCreation,
  recordKeyRevocation,
  recordKeyRotation,
} from "../../administration/key-entries.ts";
import { KildeError } from "../../core/errors.ts";
import { DEFAULT_PAGE_EVENTS } from "../../core/limits.ts";
import type { AppDeps } from "../deps.ts";
import { actorOf, principalOf } from "../pipeline/authorization.ts";
import { validQuery } from "../log/pages.ts";
import { bodyOf, optionalBodyOf } from "../wire/json-body.ts";
import { hereWith } from "../wire/links.ts";
import { fittingEntries } from "../wire/listing.ts";
import { createKeySchemas } from "./schemas.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

const FRESH = { "Cache-Control": "no-cache" };
/** An answer with a token is shown once, so no cache may keep it. */
const SECRET = { "Cache-Control": "no-store" };

function keyInPath(c: Context): string {
  return c.req.param("key") ?? "";
}

async function getKeys(c: Context, deps: AppDeps): Promise<Response> {
  const { database, clock, limits } = deps;
  const { cursor = "", ...query } = validQuery(c, createKeySchemas(limits).keysQuery);
  const limit = query.limit ?? Math.min(DEFAULT_PAGE_EVENTS, limits.pageEvents);
  const found = await listKeys(database, { cursor, limit });
  const nowMs = clock.now();
  const keys = fittingEntries(
    found.map((key) => keyJson(key, nowMs)),
    deps,
  );
  const links = [`<${hereWith(c, deps, {})}>; rel="self"`];
  const last = keys.at(-1);
  if ((found.length === limit || keys.length < found.length) && last !== undefined)
    links.push(`<${hereWith(c, deps, { cursor: last.key })}>; rel="next"`);
  return jsonAnswer(c, { keys }, 200, { ...FRESH, Link: links.join(", ") });
}

/**
 * `POST /keys`. At an open store the sender may be anyone who reaches the address, and the first key closes the store to
 * all others; so that key is created on the database.
 */
async function postKey(c: Context, deps: AppDeps): Promise<Response> {
  const { access, clock, limits, basePath } = deps;
  const { kind, name: sender } = principalOf(c);
  if (kind === "anybody") {
    const detail = "The store is open, and its first key is created on the database: `kilde keys create`";
    throw new KildeError("forbidden", detail, { needs: "admin", principal: sender });
  }
  const key = await bodyOf(c, deps, createKeySchemas(limits).newKey);
  const { name: subject, grants } = key;
  const created = await access.create(key, recordKeyCreation(actorOf(c), key, clock.now()));
  const issued = issuedKeyJson(created, { subject, grants }, clock.now());
  return jsonAnswer(c, issued, 201, { ...SECRET, Location: `${basePath}/keys/${issued.key}` });
}

async function getKey(c: Context, { database, clock }: AppDeps): Promise<Response> {
  const id = keyInPath(c);
  const key = await findKey(database, id);
  if (key === null) throw keyNotFound(id);
  return jsonAnswer(c, keyJson(key, clock.now()), 200, FRESH);
}

async function rotateKey(c: Context, deps: AppDeps): Promise<Response> {
  const { access, clock, limits } = deps;
  const subject = keyInPath(c);
  const { overlapSeconds, expires } = await optionalBodyOf(c, deps, createKeySchemas(limits).keyRotation);
  const options = { overlapMs: overlapSeconds * 1_000, ...(expires === undefined ? {} : { expires }) };
  const rotated = await access.rotate(subject, options, recordKeyRotation(actorOf(c), clock.now()));
  return jsonAnswer(c, issuedKeyJson(rotated, { subject, grants: [] }, clock.now()), 200, SECRET);
}

async function revokeKey(c: Context, { access, clock }: AppDeps): Promise<Response> {
  const id = keyInPath(c);
  const revoked = await access.revoke(id, recordKeyRevocation(actorOf(c), clock.now()));
  return jsonAnswer(c, revokedKeyJson(revoked, id, clock.now()), 200, FRESH);
}

/** The handlers of the operations on keys, in one module that loads at the first request. */
export const keyHandlers = { getKeys, postKey, getKey, rotateKey, revokeKey };
