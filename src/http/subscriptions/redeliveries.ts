import type { Context } from "hono";

import { retrySubject, rewind, skipEvent } from "../../webhooks/subscriptions/redelivery.ts";
import { type KeptQuery, listKept, type StoredAttempt } from "../../webhooks/subscriptions/kept-attempts.ts";
import { listAttempts, listBlocked, listSkips } from "../../webhooks/subscriptions/state.ts";
import { fittingEntries, listingLimit } from "../wire/listing.ts";
import { actorOf } from "../pipeline/authorization.ts";
import { hereWith } from "../wire/links.ts";
import { validQuery } from "../log/pages.ts";
import { subjectNameOf } from "../streams/stream-name.ts";
import { optionalBodyOf } from "../wire/json-body.ts";
import { type SubscriptionDeps } from "./deps.ts";
import { authorizeSubject, visibleSubjects, visibleSubscription } from "./visible.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

/** Attempts in a page, unless the request states another number. */
const DEFAULT_PAGE_ATTEMPTS = 50;

const FRESH = { "Cache-Control": "no-cache" };

const SEQUENCE_DIGITS = 16;

/** Writes a version as events have it in `sequence`. */
const sequenceOf = (version: number) => String(version).padStart(SEQUENCE_DIGITS, "0");

/** `POST /subscriptions/{subscription}/rewind` */
export async function rewindSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const {
    upTo = null,
    subjects = null,
    ...asked
  } = await optionalBodyOf(c, deps, deps.subscriptionSchemas.rewindBody);
  const found = await visibleSubscription(c, deps);
  const counted = await rewind(deps.redelivery, found, { ...asked, upTo, subjects }, actorOf(c));
  return jsonAnswer(c, { ...counted, dryRun: asked.dryRun }, asked.dryRun ? 200 : 202, FRESH);
}

/** An attempt that may have been stored without its contents. */
type ListedAttempt = Omit<StoredAttempt, "id"> & { readonly id: number | null };

/** Lists the latest attempts of a subscription that keeps no contents, the latest first. */
async function listSummaries(
  database: SubscriptionDeps["database"],
  id: string,
  { outcome, limit }: KeptQuery,
): Promise<ListedAttempt[]> {
  const listed = (await listAttempts(database, id)).toReversed();
  const selected = listed.filter(
    ({ error }) => outcome === null || (error === null) === (outcome === "delivered"),
  );
  const none = { id: null, status: null, positions: [], prefix: "", url: "", headers: {} };
  return selected.slice(0, limit).map((attempt) => ({ ...none, ...attempt, body: null, answer: null }));
}

function attemptJson(attempt: ListedAttempt, showsContents: boolean) {
  const { id, ended, durationMs, webhookId, subject, error, status, positions } = attempt;
  const { url, headers, body, answer } = attempt;
  return {
    id,
    time: new Date(ended).toISOString(),
    durationMs: Math.round(durationMs),
    outcome: error === null ? "delivered" : "failed",
    webhookId,
    subject,
    error,
    status,
    positions: showsContents ? positions : [],
    request: id === null ? null : { url, headers, body: showsContents ? body : null },
    answer: showsContents ? answer : null,
  };
}

/** `GET /subscriptions/{subscription}/attempts`, the latest first. */
export async function getAttempts(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { outcome = null, before = null, limit } = validQuery(c, deps.subscriptionSchemas.attemptsQuery);
  const found = await visibleSubscription(c, deps);
  const isVisible = visibleSubjects(c, deps, found);
  const query = { outcome, before, limit: limit ?? DEFAULT_PAGE_ATTEMPTS };
  const isKept = (found.config.keepAttempts ?? 0) > 0;
  const listed = isKept
    ? await listKept(deps.database, found.id, query)
    : await listSummaries(deps.database, found.id, query);
  // Contents of several subjects are shown to those who may read everything that was selected then.
  const attempts = listed
    .filter(({ subject }) => isVisible(subject))
    .map((attempt) => attemptJson(attempt, isVisible(attempt.subject ?? attempt.prefix)));
  const shown = fittingEntries(attempts, deps);
  const isCut = shown.length < attempts.length;
  const last = isCut ? shown.at(-1) : listed.at(-1);
  const continues = isKept && (isCut || listed.length === query.limit);
  return jsonAnswer(c, { attempts: shown, next: continues ? (last?.id ?? null) : null }, 200, FRESH);
}

/** `GET /subscriptions/{subscription}/blocked` */
export async function getBlocked(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { cursor = "", ...query } = validQuery(c, deps.subscriptionSchemas.blockedQuery);
  const limit = listingLimit(query.limit, deps);
  const subscription = await visibleSubscription(c, deps);
  const found = await listBlocked(deps.database, subscription, { cursor, limit, name: null });
  const links = [`<${hereWith(c, deps, {})}>; rel="self"`];
  const last = found.at(-1);
  if (found.length === limit && last !== undefined)
    links.push(`<${hereWith(c, deps, { cursor: last.name })}>; rel="next"`);
  const isVisible = visibleSubjects(c, deps, subscription);
  const visible = found.filter(({ name }) => isVisible(name));
  const blocked = visible.map(({ name, version, position, lane }) => ({
    subject: name,
    sequence: sequenceOf(version),
    position,
    attempts: lane.attempts,
    error: lane.error,
    since: lane.since,
    nextAttempt: lane.due === null ? null : new Date(lane.due).toISOString(),
  }));
  return jsonAnswer(c, { blocked }, 200, { ...FRESH, Link: links.join(", ") });
}

/** `POST /subscriptions/{subscription}/blocked/{subject}/retry` */
export async function retryBlockedSubject(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const subject = subjectNameOf(c, deps, "subject");
  const found = await visibleSubscription(c, deps);
  authorizeSubject(c, deps, found, subject);
  await retrySubject(deps.redelivery, found, subject);
  return c.body(null, 202);
}

/** `POST /subscriptions/{subscription}/blocked/{subject}/skip` */
export async function skipBlockedEvent(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const subject = subjectNameOf(c, deps, "subject");
  const { sequence = null } = await optionalBodyOf(c, deps, deps.subscriptionSchemas.skipBody);
  const found = await visibleSubscription(c, deps);
  authorizeSubject(c, deps, found, subject);
  const skipped = await skipEvent(deps.redelivery, found, subject, sequence, actorOf(c));
  return jsonAnswer(c, { subject, sequence: sequenceOf(skipped) }, 200, FRESH);
}

/** `GET /subscriptions/{subscription}/skips` */
export async function getSkips(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const found = await visibleSubscription(c, deps);
  const isVisible = visibleSubjects(c, deps, found);
  const limit = listingLimit(deps.limits.pageEvents, deps);
  const listed = (await listSkips(deps.database, found.id, limit)).filter(({ subject }) =>
    isVisible(subject),
  );
  const skips = listed.map(({ version, ...skip }) => ({ ...skip, sequence: sequenceOf(version) }));
  return jsonAnswer(c, { skips }, 200, FRESH);
}
