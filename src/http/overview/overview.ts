import type { Context } from "hono";

import { covers, needOf, subjectPrefixes } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import { HEAD_STEP_MS } from "../../log/follow/recent-heads.ts";
import { CONSUMER_STATES } from "../consumers/state.ts";
import type { AppDeps } from "../deps.ts";
import { managesFeed, seesFeed } from "../feeds/feed-access.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { seesSubscription } from "../subscriptions/subscription-access.ts";
import type { OverviewFacts } from "./facts.ts";
import { logOfConsumer } from "./missed-problem.ts";
import { problemsOf } from "./problems.ts";
import { rememberedFacts } from "./remembered-facts.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

/** Problems in one answer. */
const MOST_PROBLEMS = 100;

/** Counts entries by a member; each of the names has a count. */
function countBy<Name extends string>(names: readonly Name[], found: readonly Name[]): Record<Name, number> {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  for (const name of found) counts[name] += 1;
  return counts;
}

/** Returns the part of the facts that a principal may learn of. */
function visibleFacts(deps: AppDeps, principal: Principal, facts: OverviewFacts): OverviewFacts {
  const { grants } = principal;
  const managesSubscriptions = covers(grants, needOf("manage", "/subscriptions"));
  const feeds = facts.feeds.filter(({ feed }) => seesFeed(principal, feed));
  const subscriptions = managesSubscriptions
    ? facts.subscriptions.filter((subscription) => seesSubscription(deps, principal, subscription))
    : [];
  const seen = new Set([
    ...feeds.map(({ feed }) => `feed ${feed.path}`),
    ...subscriptions.map(({ id }) => `subscription ${id}`),
  ]);
  return {
    ...facts,
    feeds,
    consumers: facts.consumers.filter(({ log }) => covers(grants, needOf("manage", log))),
    subscriptions,
    missed: facts.missed.filter((missed) =>
      missed.kind === "consumer"
        ? covers(grants, needOf("manage", logOfConsumer(missed) ?? "/events"))
        : seen.has(`${missed.kind} ${missed.name}`),
    ),
    unknown: managesSubscriptions ? facts.unknown : [],
  };
}

/** Returns the growth of the event log in the last hour; null: the sender may read none of it, or nothing is remembered. */
function activityOf({ recentHeads, clock }: AppDeps, { grants }: Principal) {
  if (recentHeads === null || subjectPrefixes(grants, "/events") === null) return null;
  const { heads, ageMs } = recentHeads.read();
  if (heads.length === 0) return null;
  const stepSeconds = HEAD_STEP_MS / 1_000;
  const sinceMs = clock.now() - ageMs - (heads.length - 1) * HEAD_STEP_MS;
  // A restore may have put an earlier head in place.
  const grown = heads.slice(1).map((head, index) => Math.max(0, head - (heads[index] ?? head)));
  return {
    since: new Date(sinceMs).toISOString(),
    stepSeconds,
    heads,
    eventsPerSecond: grown.map((events) => events / stepSeconds),
  };
}

/** `GET /overview` */
export async function getOverview(c: Context, deps: AppDeps): Promise<Response> {
  const { version, environment, basePath } = deps;
  const principal = principalOf(c);
  const facts = await rememberedFacts(deps);
  const visible = visibleFacts(deps, principal, facts);
  const { feeds, consumers, subscriptions } = visible;
  const problems = problemsOf(visible, (feed) => managesFeed(principal, feed));
  const shown = problems.slice(0, MOST_PROBLEMS).map(({ next, resource, ...problem }) => ({
    ...problem,
    resource: basePath + resource,
    next: { ...next, view: basePath + next.view },
  }));
  const body = {
    version,
    environment,
    time: new Date(facts.readMs).toISOString(),
    head: subjectPrefixes(principal.grants, "/events") === null ? null : facts.head,
    activity: activityOf(deps, principal),
    feeds: {
      ...countBy(
        ["building", "live", "halted", "rebuilding", "retiring"],
        feeds.map(({ state }) => state.status),
      ),
      superseded: feeds.filter(({ state }) => state.release === "superseded").length,
    },
    consumers: Object.fromEntries(
      CONSUMER_STATES.map((state) => [state, consumers.reduce((sum, { counts }) => sum + counts[state], 0)]),
    ),
    subscriptions: {
      ...countBy(
        ["delivering", "failing", "paused"],
        subscriptions.map(({ status }) => status),
      ),
      blockedSubjects: subscriptions.reduce((sum, { blocked }) => sum + blocked, 0),
    },
    problemCount: problems.length,
    problems: shown,
  };
  return jsonAnswer(c, body, 200, { "Cache-Control": "no-cache" });
}
