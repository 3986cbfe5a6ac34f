import type { Context } from "hono";

import { type AccessNeed, covers, needOf } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import { unknownSubscription } from "../../webhooks/subscriptions/registry-deps.ts";
import type { SubscriptionRecord } from "../../webhooks/subscriptions/subscription.ts";
import { grantedPrefix, isPublicLog } from "../feeds/feed-access.ts";
import { authorize, principalOf, senderOf } from "../pipeline/authorization.ts";
import { type SubscriptionDeps, subscriptionIn } from "./deps.ts";
import { seesSubscription } from "./subscription-access.ts";

function isVisible(
  deps: SubscriptionDeps,
  principal: Principal,
  { log, config }: SubscriptionRecord,
): boolean {
  const { subjectPrefix = "" } = config.filter;
  return seesSubscription(deps, principal, { source: log.name, subjectPrefix });
}

/** The need to learn of a subject that a subscription delivered, perhaps before its selection was narrowed. */
function subjectNeed({ log }: SubscriptionRecord, subject: string): AccessNeed {
  return needOf("read", log.name, subject);
}

/** Returns a test whether the sender may learn of a subject; null: of a delivery that is not about one subject. */
export function visibleSubjects(
  c: Context,
  deps: SubscriptionDeps,
  subscription: SubscriptionRecord,
): (subject: string | null) => boolean {
  const { grants } = principalOf(c);
  const isPublic = isPublicLog(deps, subscription.log.name);
  return (subject) => subject === null || isPublic || covers(grants, subjectNeed(subscription, subject));
}

/** Throws a KildeError unless the sender may learn of the subject; whether or not there is one. */
export function authorizeSubject(
  c: Context,
  deps: SubscriptionDeps,
  subscription: SubscriptionRecord,
  subject: string,
): void {
  if (!isPublicLog(deps, subscription.log.name)) authorize(senderOf(c), subjectNeed(subscription, subject));
}

/** Returns the subscription that the path names, if the sender may read what it delivers. */
export async function visibleSubscription(c: Context, deps: SubscriptionDeps): Promise<SubscriptionRecord> {
  const id = subscriptionIn(c);
  const found = await deps.subscriptions.get(id);
  if (isVisible(deps, principalOf(c), found)) return found;
  throw unknownSubscription(id);
}

/** Returns the first subscriptions after a cursor of those that the sender sees, in order of id. `source`: only those of a log. */
export async function visibleSubscriptions(
  c: Context,
  deps: SubscriptionDeps,
  {
    cursor,
    limit,
    source,
  }: { readonly cursor: string; readonly limit: number; readonly source?: string | undefined },
): Promise<readonly SubscriptionRecord[]> {
  const principal = principalOf(c);
  const visible: SubscriptionRecord[] = [];
  for (let after: string | undefined = cursor; after !== undefined && visible.length < limit;) {
    const page: readonly SubscriptionRecord[] = await deps.subscriptions.list({ cursor: after, limit });
    const ofSource = page.filter(({ log }) => source === undefined || log.name === source);
    visible.push(...ofSource.filter((subscription) => isVisible(deps, principal, subscription)));
    after = page.length < limit ? undefined : page.at(-1)?.id;
  }
  return visible.slice(0, limit);
}

/**
 * Returns the prefix of the subjects that a subscription is to deliver: the one in the request, or else the one
 * that is granted. Throws a KildeError unless the sender may read them; whether or not there is such a log.
 */
export function deliveredPrefix(c: Context, deps: SubscriptionDeps, source: string, asked: string): string {
  if (isPublicLog(deps, source)) return asked;
  return grantedPrefix(senderOf(c), source, asked === "" ? undefined : asked) ?? "";
}
