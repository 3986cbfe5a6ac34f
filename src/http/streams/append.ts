import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import { KildeError } from "../../core/errors.ts";
import type { AppendReceipt, ExpectedVersion } from "../../core/event.ts";
import { fromHeaderText } from "../../core/header-text.ts";
import { utf8Bytes } from "../../core/names.ts";
import { findAppend } from "../../log/append/lookups.ts";
import type { AppendOutcome, AppendPart, Transaction } from "../../log/append/plan.ts";
import type { AppDeps } from "../deps.ts";
import { scopedKey } from "../../log/append/scoped-key.ts";
import { LOG_HEADER, logHeaders, restoredWrite, statedIdentity, streamTag } from "../log/log-identity.ts";
import { readBody } from "../wire/body.ts";
import { appendHead, checkTransactionHead, type Incoming, type IncomingPart } from "./new-events.ts";
import { parseBody } from "../wire/parsing.ts";
import { POSITION_HEADER } from "../log/position.ts";
import { preconditionOf } from "./preconditions.ts";
import { requireAccessNow } from "../pipeline/access-end.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import { validationError } from "../pipeline/problems.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { authorizeAppend } from "./append-access.ts";
import { checkSubjectName } from "./stream-name.ts";
import { tracedParts } from "./traced-events.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

export const IDEMPOTENCY_KEY = "Idempotency-Key";

/** In answers: this repeats the first answer, and the request wrote nothing. */
export const REPLAYED_HEADER = "Idempotency-Replayed";

/** Validates a key from a request. Throws a KildeError that names its parameter. */
function checkedKey(key: string, parameter: string, { schemas }: AppDeps): string {
  const checked = schemas.idempotencyKey.safeParse(key);
  if (checked.success) return checked.data;
  const issues = checked.error.issues.map((issue) => ({ ...issue, path: [parameter] }));
  throw validationError("invalid-parameter", issues);
}

/** Returns the idempotency key in a header. */
function keyInHeader(header: string, deps: AppDeps): string {
  const read = fromHeaderText(header);
  if ("text" in read) return checkedKey(read.text, IDEMPOTENCY_KEY, deps);
  throw new KildeError("invalid-parameter", `${IDEMPOTENCY_KEY} ${read.fault}`, {
    errors: [{ parameter: IDEMPOTENCY_KEY, detail: read.fault }],
  });
}

/** Returns the idempotency key in the headers, with a digest of the request that used it. */
export function idempotencyOf(
  header: string,
  principal: Principal,
  deps: AppDeps,
  parts: readonly AppendPart[],
): Idempotency | Promise<Idempotency> {
  return keyedRequest(keyInHeader(header, deps), principal, deps, parts);
}

type Idempotency = NonNullable<Transaction["idempotency"]>;

/** Returns a valid key of a sender, with a digest of the request that used it. */
export function keyedRequest(
  key: string,
  principal: Principal,
  { digest }: Pick<AppDeps, "digest">,
  parts: readonly AppendPart[],
): Idempotency | Promise<Idempotency> {
  const scoped = scopedKey(principal.name, key);
  const fingerprint = fingerprintOf(parts, digest);
  return typeof fingerprint === "string"
    ? { key: scoped, fingerprint }
    : fingerprint.then((text) => ({ key: scoped, fingerprint: text }));
}

export type RefusedAppend = Exclude<AppendOutcome, { outcome: "appended" }>;

/**
 * Returns the error for a refused append. A condition from a header fails with the status of that header (RFC 9110).
 * `head` is the position that a read must reach to see the reason.
 */
export async function refusalError(
  deps: AppDeps,
  outcome: RefusedAppend,
  stated: "header" | "body",
): Promise<KildeError> {
  if (outcome.outcome === "log-restored") return restoredWrite(deps, outcome.identity);
  if (outcome.outcome === "idempotency-key-reused") {
    return new KildeError(outcome.outcome, "The idempotency key belongs to a request with other content");
  }
  const { subject: stream, currentVersion, expectedVersion } = outcome;
  const { head, identity: log } = outcome.log;
  const members = { stream, currentVersion, head, log };
  const name = JSON.stringify(stream);
  if (outcome.outcome === "stream-erased") {
    const detail = `The stream ${name} was erased; its tombstone has version ${currentVersion}`;
    return new KildeError("stream-erased", detail, members);
  }
  const expected = expectedVersion === "exists" ? "to exist" : `at version ${expectedVersion}`;
  const detail = `The stream ${name} is at version ${currentVersion}, and was expected ${expected}`;
  return new KildeError(stated === "header" ? "precondition-failed" : "version-conflict", detail, members);
}

function resultOf({ subject: stream, version, position, count }: AppendReceipt) {
  return { stream, version, position, count };
}

/** Answers `201 Created`. Headers are a plain object, which is faster to build than `Headers`. */
function created(
  context: Pick<RequestContext, "bytes">,
  body: unknown,
  replayed: boolean,
  headers: Record<string, string>,
): Response {
  headers["Content-Type"] = "application/json";
  if (replayed) headers[REPLAYED_HEADER] = "true";
  const text = JSON.stringify(body);
  context.bytes = utf8Bytes(text);
  return new Response(text, { status: 201, headers });
}

function statedOnce(header: ExpectedVersion | undefined, body: ExpectedVersion | undefined): ExpectedVersion {
  if (header !== undefined && body !== undefined) {
    const detail = "The expected version is stated in a header and in the body";
    throw new KildeError("invalid-parameter", detail, { errors: [{ parameter: "expectedVersion", detail }] });
  }
  return header ?? body ?? "any";
}

/** The sender of an append, and the trace that its events continue. */
type AppendContext = Pick<RequestContext, "principal" | "trace" | "bytes">;

/** `POST /streams/{stream}`. `headers` are added to the answer's own: setting them afterwards would copy all. */
export async function postStream(
  request: Request,
  subject: string,
  context: AppendContext,
  deps: AppDeps,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  checkSubjectName(subject, deps);
  const head = appendHead(request.headers);
  const body = await readBody(request, deps.limits.bodyBytes, deps);
  try {
    const checking = requireAccessNow(deps.access, context.principal);
    if (checking !== null) await checking;
    const [incoming] = await parseBody({ kind: "append", head, stream: subject }, body.bytes, deps);
    if (incoming === undefined) throw new Error("the body of an append has no part");
    return await appendToStream(request, subject, incoming, context, deps, headers);
  } finally {
    body.hold?.release();
  }
}

async function appendToStream(
  request: Request,
  subject: string,
  { events, expectedVersion }: Incoming,
  context: AppendContext,
  deps: AppDeps,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const { principal, trace } = context;
  const precondition = preconditionOf(request.headers);
  const parts = [
    {
      subject,
      events,
      expectedVersion: statedOnce(precondition.expectedVersion, expectedVersion),
      erases: false,
    },
  ];
  const key = request.headers.get(IDEMPOTENCY_KEY);
  const idempotency = key === null ? null : await idempotencyOf(key, principal, deps, parts);
  const outcome = await deps.writer.append({
    parts: tracedParts(parts, trace, deps.limits),
    idempotency,
    identity: precondition.identity,
  });
  if (outcome.outcome !== "appended") {
    throw await refusalError(deps, outcome, precondition.expectedVersion === undefined ? "body" : "header");
  }
  const [result] = outcome.results;
  if (result === undefined) throw new Error("an append of one part has no result");
  return created(context, resultOf(result), outcome.replayed, {
    ...headers,
    ETag: streamTag(result.version, outcome.log.identity),
    [LOG_HEADER]: outcome.log.identity,
    [POSITION_HEADER]: String(result.position),
    Location: `${deps.basePath}/streams/${encodeURIComponent(subject)}`,
  });
}

/** `POST /transactions`: the sender needs a grant for each append. */
export async function postTransaction(
  request: Request,
  context: RequestContext,
  deps: AppDeps,
): Promise<Response> {
  checkTransactionHead(request.headers);
  const body = await readBody(request, deps.limits.bodyBytes, deps);
  try {
    await requireAccessNow(deps.access, context.principal);
    const incoming = await parseBody({ kind: "transaction" }, body.bytes, deps);
    for (const { subject } of incoming) authorizeAppend(context, subject);
    return await transact(request, incoming, context, deps);
  } finally {
    body.hold?.release();
  }
}

async function transact(
  request: Request,
  incoming: readonly IncomingPart[],
  context: AppendContext,
  deps: AppDeps,
): Promise<Response> {
  const { principal, trace } = context;
  const parts = incoming.map(({ expectedVersion, ...part }): AppendPart => ({
    ...part,
    expectedVersion: expectedVersion ?? "any",
    erases: false,
  }));
  const key = request.headers.get(IDEMPOTENCY_KEY);
  const idempotency = key === null ? null : await idempotencyOf(key, principal, deps, parts);
  const identity = statedIdentity(request.headers);
  const outcome = await deps.writer.append({
    parts: tracedParts(parts, trace, deps.limits),
    idempotency,
    identity,
  });
  if (outcome.outcome !== "appended") throw await refusalError(deps, outcome, "body");
  const results = outcome.results.map(resultOf);
  const position = results.at(-1)?.position ?? 0;
  return created(context, { results, position }, outcome.replayed, {
    [POSITION_HEADER]: String(position),
    [LOG_HEADER]: outcome.log.identity,
  });
}

/** `GET /appends/{idempotencyKey}`: the answer to an append, for a client that lost it. */
export async function getAppend(c: Context, deps: AppDeps): Promise<Response> {
  const key = c.req.param("idempotencyKey") ?? "";
  const principal = principalOf(c);
  const checked = checkedKey(key, "idempotencyKey", deps);
  const found = await findAppend(deps.database, deps.reader.address, scopedKey(principal.name, checked));
  if (found === null) {
    throw new KildeError(
      "append-not-found",
      `No append with the idempotency key ${JSON.stringify(key)} is remembered`,
    );
  }
  const { results, identity } = found;
  const body = { results: results.map(resultOf), position: results.at(-1)?.position ?? 0 };
  return jsonAnswer(c, body, 200, { "Cache-Control": "no-cache", ...logHeaders(identity) });
}
