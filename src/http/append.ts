import type { Context } from "hono";

import { KildeError } from "../core/errors.ts";
import type { Appended, ExpectedVersion } from "../core/event.ts";
import type { AppendOutcome, Part, Transaction } from "../log/plan.ts";
import type { AppDeps } from "./deps.ts";
import { readAppend, readTransaction } from "./new-events.ts";
import { preconditionOf } from "./preconditions.ts";
import { validationError } from "./problems.ts";
import { subjectNameOf } from "./stream-name.ts";

async function idempotencyOf(
  c: Context,
  { schemas }: AppDeps,
  parts: readonly Part[],
): Promise<Transaction["idempotency"]> {
  const header = c.req.raw.headers.get("idempotency-key");
  if (header === null) return null;
  const key = schemas.idempotencyKey.safeParse(header);
  if (!key.success) {
    const issues = key.error.issues.map((issue) => ({ ...issue, path: ["Idempotency-Key"] }));
    throw validationError("invalid-parameter", issues);
  }
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(parts)));
  return { key: key.data, fingerprint: btoa(String.fromCharCode(...new Uint8Array(digest))) };
}

/** The error for an append that was refused; one that a header stated fails as that header says (RFC 9110). */
export function refusalError(
  outcome: Exclude<AppendOutcome, { outcome: "appended" }>,
  stated: "header" | "body",
) {
  if (outcome.outcome === "idempotency-key-reused") {
    return new KildeError(outcome.outcome, "The idempotency key belongs to a request with other content");
  }
  const { subject: stream, currentVersion, expectedVersion } = outcome;
  const members = { stream, currentVersion };
  const name = JSON.stringify(stream);
  if (outcome.outcome === "stream-erased") {
    const detail = `The stream ${name} was erased; its tombstone has version ${currentVersion}`;
    return new KildeError("stream-erased", detail, members);
  }
  const expected = expectedVersion === "exists" ? "to exist" : `at version ${expectedVersion}`;
  const detail = `The stream ${name} is at version ${currentVersion}, and was expected ${expected}`;
  return new KildeError(stated === "header" ? "precondition-failed" : "version-conflict", detail, members);
}

function resultOf({ subject: stream, version, position, count }: Appended) {
  return { stream, version, position, count };
}

function markReplayed(c: Context, replayed: boolean): void {
  if (replayed) c.header("Idempotency-Replayed", "true");
}

function statedOnce(header: ExpectedVersion | undefined, body: ExpectedVersion | undefined): ExpectedVersion {
  if (header !== undefined && body !== undefined) {
    const detail = "The expected version is stated in a header and in the body";
    throw new KildeError("invalid-parameter", detail, { errors: [{ parameter: "expectedVersion", detail }] });
  }
  return header ?? body ?? "any";
}

/** `POST /streams/{stream}` */
export async function postStream(c: Context, deps: AppDeps): Promise<Response> {
  const subject = subjectNameOf(c, deps);
  const precondition = preconditionOf(c.req.raw.headers);
  const { events, expectedVersion } = await readAppend(c.req.raw, subject, deps);
  const parts = [
    { subject, events, expectedVersion: statedOnce(precondition, expectedVersion), erases: false },
  ];
  const idempotency = await idempotencyOf(c, deps, parts);
  const outcome = await deps.writer.append({ parts, idempotency });
  if (outcome.outcome !== "appended") {
    throw refusalError(outcome, precondition === undefined ? "body" : "header");
  }
  const [result] = outcome.results;
  if (result === undefined) throw new Error("an append of one part has no result");
  markReplayed(c, outcome.replayed);
  return c.json(resultOf(result), 201, {
    ETag: `"${result.version}"`,
    Location: `/streams/${encodeURIComponent(subject)}`,
  });
}

/** `POST /transactions` */
export async function postTransaction(c: Context, deps: AppDeps): Promise<Response> {
  const incoming = await readTransaction(c.req.raw, deps);
  const parts = incoming.map(({ expectedVersion, ...part }): Part => ({
    ...part,
    expectedVersion: expectedVersion ?? "any",
    erases: false,
  }));
  const idempotency = await idempotencyOf(c, deps, parts);
  const outcome = await deps.writer.append({ parts, idempotency });
  if (outcome.outcome !== "appended") throw refusalError(outcome, "body");
  markReplayed(c, outcome.replayed);
  const results = outcome.results.map(resultOf);
  return c.json({ results, position: results.at(-1)?.position ?? 0 }, 201);
}
