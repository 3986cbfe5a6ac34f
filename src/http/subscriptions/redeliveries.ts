import type { Context } from "hono";

import { retrySubject, rewind, skipEvent } from "../../webhooks/subscriptions/redelivery.ts";
import { listAttempts, listBlocked, listSkips } from "../../webhooks/subscriptions/state.ts";
import { listingLimit } from "../wire/listing.ts";
import { actorOf } from "../pipeline/authorization.ts";
import { hereWith } from "../wire/links.ts";
import { validQuery } from "../log/pages.ts";
import { subjectNameOf } from "../streams/stream-name.ts";
import { optionalBodyOf } from "../wire/json-body.ts";
import { type SubscriptionDeps } from "./deps.ts";
import { authorizeSubject, visibleSubjects, visibleSubscription } from "./visible.ts";

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
  return c.json({ ...counted, dryRun: asked.dryRun }, asked.dryRun ? 200 : 202, FRESH);
}

/** `GET /subscriptions/{subscription}/attempts` */
export async function getAttempts(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const found = await visibleSubscription(c, deps);
  const isVisible = visibleSubjects(c, deps, found);
  const listed = (await listAttempts(deps.database, found.id)).filter(({ subject }) => isVisible(subject));
  const attempts = listed.map(({ ended, durationMs, ...attempt }) => ({
    time: new Date(ended).toISOString(),
    ...attempt,
    durationMs: Math.round(durationMs),
  }));
  return c.json({ attempts }, 200, FRESH);
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
  return c.json({ blocked }, 200, { ...FRESH, Link: links.join(", ") });
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
  return c.json({ subject, sequence: sequenceOf(skipped) }, 200, FRESH);
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
  return c.json({ skips }, 200, FRESH);
}
