import type { Context } from "hono";
import type { z } from "zod";

import { KildeError } from "../../core/errors.ts";
import { DEFAULT_PAGE_EVENTS } from "../../core/limits.ts";
import { creatorOf } from "../../webhooks/subscriptions/creator.ts";
import type { DeliveryMode, SubscriptionRecord } from "../../webhooks/subscriptions/subscription.ts";
import type { SubscriptionState } from "../../webhooks/subscriptions/state.ts";
import type { RequestedConfig } from "../../webhooks/subscriptions/requested-config.ts";
import { fittingEntries } from "../wire/listing.ts";
import { actorOf, principalOf } from "../pipeline/authorization.ts";
import { hereWith } from "../wire/links.ts";
import { validQuery } from "../log/pages.ts";
import { bodyOf, optionalBodyOf } from "../wire/json-body.ts";
import { type SubscriptionDeps } from "./deps.ts";
import { deliveredPrefix, visibleSubscription, visibleSubscriptions } from "./visible.ts";
import type { SubscriptionSchemas } from "./schemas.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

const FRESH = { "Cache-Control": "no-cache" };
/** An answer with a secret is shown once, so no cache may keep it. */
const SECRET = { "Cache-Control": "no-store" };

type Asked = Pick<
  z.output<SubscriptionSchemas["newSubscription"]>,
  | "url"
  | "types"
  | "subjectPrefix"
  | "mode"
  | "batch"
  | "concurrency"
  | "attempts"
  | "keepAttempts"
  | "handshake"
  | "description"
>;

function modeOf({ mode, batch }: Pick<Asked, "mode" | "batch">): DeliveryMode {
  return mode === "batch" ? { kind: mode, ...batch } : { kind: mode };
}

function configOf(asked: Asked): RequestedConfig {
  const { url, types, subjectPrefix, concurrency, attempts, keepAttempts, handshake, description } = asked;
  return {
    url,
    filter: {
      ...(types === null ? {} : { types }),
      ...(subjectPrefix === "" ? {} : { subjectPrefix }),
    },
    mode: modeOf(asked),
    concurrency,
    attempts,
    keepAttempts,
    consentedOrigin: handshake?.origin ?? null,
    description,
  };
}

/** Returns the request that would create the subscription as it is: the members that a change keeps. */
function askedOf({ config }: SubscriptionRecord, batch: Asked["batch"]): Asked {
  const { url, filter, mode, concurrency, attempts, keepAttempts = 0 } = config;
  const { consentedOrigin, description } = config;
  return {
    url,
    types: filter.types === undefined ? null : [...filter.types],
    subjectPrefix: filter.subjectPrefix ?? "",
    mode: mode.kind,
    batch: mode.kind === "batch" ? { events: mode.events, bytes: mode.bytes } : batch,
    concurrency,
    attempts,
    keepAttempts,
    handshake: consentedOrigin === null ? null : { origin: consentedOrigin },
    description,
  };
}

type Change = Omit<z.output<SubscriptionSchemas["subscriptionChange"]>, "headers">;

/** Returns a request with the members that a change states. */
function changedBy(asked: Asked, { batch, ...change }: Change): Asked {
  const stated = <Part extends object>(part: Part) =>
    Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
  return { ...asked, ...stated(change), batch: { ...asked.batch, ...stated(batch ?? {}) } };
}

/** Returns the representations of subscriptions. */
async function allShown({ subscriptions }: SubscriptionDeps, all: readonly SubscriptionRecord[]) {
  const states = await subscriptions.states(all);
  return all.flatMap((one, index) => {
    const state = states[index];
    return state === undefined ? [] : [shownWith(one, state)];
  });
}

/** Returns the representation of a subscription. */
function shownWith(subscription: SubscriptionRecord, state: SubscriptionState) {
  const { id, log, config, created, since, rewind: under, trouble, creator } = subscription;
  const { mode, filter } = config;
  return {
    subscription: id,
    source: log.name,
    url: config.url,
    types: filter.types ?? null,
    subjectPrefix: filter.subjectPrefix ?? "",
    mode: mode.kind,
    batch: mode.kind === "batch" ? { events: mode.events, bytes: mode.bytes } : null,
    concurrency: config.concurrency,
    attempts: config.attempts,
    keepAttempts: config.keepAttempts ?? 0,
    headers: config.headerNames,
    handshake:
      config.consentedOrigin === null
        ? null
        : { origin: config.consentedOrigin, ratePerMinute: config.ratePerMinute },
    description: config.description,
    creator: creator?.name ?? null,
    created,
    ...state,
    since,
    rewind: under,
    endpoint:
      trouble === null
        ? null
        : { error: trouble.error, since: trouble.since, nextProbe: new Date(trouble.until).toISOString() },
  };
}

async function shown(deps: SubscriptionDeps, subscription: SubscriptionRecord) {
  const [state] = await deps.subscriptions.states([subscription]);
  if (state === undefined) throw new Error(`the state of ${subscription.id} was not read`);
  return shownWith(subscription, state);
}

async function answer(
  c: Context,
  deps: SubscriptionDeps,
  subscription: SubscriptionRecord,
  status: 200 | 201 = 200,
) {
  return jsonAnswer(c, await shown(deps, subscription), status, FRESH);
}

/** Subscriptions whose status is computed at a time, to find those with one. */
const STATUS_PAGE = 100;

type SubscriptionsQuery = z.output<SubscriptionSchemas["subscriptionsQuery"]> & {
  readonly cursor: string;
  readonly limit: number;
};

/** Returns the representations of the first subscriptions that match a query. */
async function findShown(
  c: Context,
  deps: SubscriptionDeps,
  { cursor, limit, status, source }: SubscriptionsQuery,
) {
  const size = status === undefined ? limit : STATUS_PAGE;
  const found: ReturnType<typeof shownWith>[] = [];
  for (let after: string | undefined = cursor; after !== undefined && found.length < limit;) {
    const query = { cursor: after, limit: size, source };
    const page: readonly SubscriptionRecord[] = await visibleSubscriptions(c, deps, query);
    const all = await allShown(deps, page);
    found.push(...all.filter((one) => status === undefined || status.includes(one.status)));
    after = page.length < size ? undefined : page.at(-1)?.id;
  }
  return found.slice(0, limit);
}

/** `GET /subscriptions` */
export async function getSubscriptions(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { cursor = "", ...query } = validQuery(c, deps.subscriptionSchemas.subscriptionsQuery);
  const limit = query.limit ?? Math.min(DEFAULT_PAGE_EVENTS, deps.limits.pageEvents);
  const found = await findShown(c, deps, { ...query, cursor, limit });
  const entries = fittingEntries(found, deps);
  const links = [`<${hereWith(c, deps, {})}>; rel="self"`];
  const last = entries.at(-1);
  if ((found.length === limit || entries.length < found.length) && last !== undefined)
    links.push(`<${hereWith(c, deps, { cursor: last.subscription })}>; rel="next"`);
  return jsonAnswer(c, { subscriptions: entries }, 200, { ...FRESH, Link: links.join(", ") });
}

/** `POST /subscriptions`: the answer has the secret, which Kilde does not show again. */
export async function postSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const asked = await bodyOf(c, deps, deps.subscriptionSchemas.newSubscription);
  const { source, start, headers, secret = null, signature } = asked;
  const subjectPrefix = deliveredPrefix(c, deps, source, asked.subjectPrefix);
  const config = configOf({ ...asked, subjectPrefix });
  const request = { source, start, config, headers, secret, signature, creator: creatorOf(principalOf(c)) };
  const made = await deps.subscriptions.create(request, actorOf(c));
  const { subscription, secret: own, publicKey } = made;
  const body = { ...(await shown(deps, subscription)), secret: own, publicKey };
  return jsonAnswer(c, body, 201, {
    ...SECRET,
    Location: `${deps.basePath}/subscriptions/${subscription.id}`,
  });
}

/** `GET /subscriptions/{subscription}` */
export async function getSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  return answer(c, deps, await visibleSubscription(c, deps));
}

/** `PATCH /subscriptions/{subscription}`: changes the members that the request states. */
export async function patchSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { id } = await visibleSubscription(c, deps);
  const { headers = null, ...change } = await bodyOf(c, deps, deps.subscriptionSchemas.subscriptionChange);
  const { batch } = deps.subscriptionSchemas.newSubscription.pick({ batch: true }).parse({});
  const configFor = (found: SubscriptionRecord) => {
    const changed = changedBy(askedOf(found, batch), change);
    const subjectPrefix = deliveredPrefix(c, deps, found.log.name, changed.subjectPrefix);
    const config = configOf({ ...changed, subjectPrefix });
    if (config.mode.kind === "doorbell" && found.rewind !== null) {
      const detail = "A redelivery is under way, which a doorbell cannot do";
      throw new KildeError("invalid-body", detail, { errors: [{ pointer: "/mode", detail }] });
    }
    return config;
  };
  return answer(
    c,
    deps,
    await deps.subscriptions.change(
      id,
      { configFor, headers, creator: creatorOf(principalOf(c)) },
      actorOf(c),
    ),
  );
}

/** `DELETE /subscriptions/{subscription}` */
export async function deleteSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { id } = await visibleSubscription(c, deps);
  await deps.subscriptions.remove(id, actorOf(c));
  return c.body(null, 204);
}

/** `POST /subscriptions/{subscription}/pause` */
export async function pauseSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { reason } = await optionalBodyOf(c, deps, deps.subscriptionSchemas.pauseBody);
  const { id } = await visibleSubscription(c, deps);
  return answer(c, deps, await deps.subscriptions.pause(id, reason, actorOf(c)));
}

/** `POST /subscriptions/{subscription}/resume`: continues the delivery, and tries an endpoint that is down at once. */
export async function resumeSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { id } = await visibleSubscription(c, deps);
  return answer(c, deps, await deps.subscriptions.resume(id, creatorOf(principalOf(c)), actorOf(c)));
}

/** `POST /subscriptions/{subscription}/test`: sends an event of type `kilde.test`, once. */
export async function testSubscription(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { id } = await visibleSubscription(c, deps);
  return jsonAnswer(c, await deps.subscriptions.test(id), 200, FRESH);
}

/** `POST /subscriptions/{subscription}/rotate-secret` */
export async function rotateSecret(c: Context, deps: SubscriptionDeps): Promise<Response> {
  const { secret = null, overlapSeconds } = await optionalBodyOf(c, deps, deps.subscriptionSchemas.rotation);
  const { id } = await visibleSubscription(c, deps);
  return jsonAnswer(
    c,
    await deps.subscriptions.rotateSecret(id, { secret, overlapSeconds }, actorOf(c)),
    200,
    SECRET,
  );
}
