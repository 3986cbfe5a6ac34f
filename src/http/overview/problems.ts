import type { StoredObjective } from "../../administration/objectives/stored-objectives.ts";
import type { Feed } from "../../feeds/feed.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import type { SubscriptionHealth } from "../../webhooks/subscriptions/health.ts";
import { missedProblem, nextOfConsumer } from "./missed-problem.ts";
import type { LogConsumers, OverviewFacts, TroubledConsumer } from "./facts.ts";

/** The kinds of problems, in the order in which a person should look at them. */
export const OVERVIEW_PROBLEMS = [
  "feed-halted",
  "feed-superseded",
  "subscription-failing",
  "consumer-blocked",
  "subscription-paused",
  "subscription-unknown",
  "feed-late",
  "subscription-late",
  "consumer-late",
  "feed-silent",
  "subscription-silent",
  "consumer-silent",
] as const;

/** Something in a store that a person should look at. */
export interface OverviewProblem {
  readonly kind: (typeof OVERVIEW_PROBLEMS)[number];
  /** Path of the feed, subscription or consumer. */
  readonly resource: string;
  readonly detail: string;
  /** Whom it concerns, as its objective states; null: unknown. */
  readonly contact: string | null;
  /** Since when, RFC 3339; null: unknown. */
  readonly since: string | null;
  readonly next: {
    /** Path of the console's view. */
    readonly view: string;
    /** The command that shows or repairs it. */
    readonly command: string;
  };
}

type Finding = Omit<OverviewProblem, "kind" | "contact">;

function feedProblems(
  { path, name, version }: Pick<Feed, "path" | "name" | "version">,
  { status, failure, release }: FeedState,
  manages: boolean,
): OverviewProblem[] {
  const view = `/console${path}`;
  const resource = path;
  if (status === "halted") {
    // The message quotes data, so only those who manage the feed read it.
    const where = failure === null ? "" : ` at event ${failure.position} of its source`;
    const detail = `The projection failed${where}${manages && failure !== null ? `: ${failure.message}` : ""}`;
    const next = { view, command: `kilde feeds resume ${name} v${version}` };
    return [{ kind: "feed-halted", resource, detail, contact: null, since: failure?.since ?? null, next }];
  }
  if (release !== "superseded") return [];
  const detail = "This release cannot project the feed; the one that published its contract has to";
  return [
    {
      kind: "feed-superseded",
      resource,
      detail,
      contact: null,
      since: null,
      next: { view, command: "kilde feeds" },
    },
  ];
}

function subscriptionProblems({ id, source, status, reason, since, blocked }: SubscriptionHealth) {
  const resource = `/subscriptions/${id}`;
  const view = `/console/webhooks/${id}`;
  const found = (kind: OverviewProblem["kind"], detail: string, command: string): OverviewProblem[] => [
    {
      kind,
      resource,
      detail,
      contact: null,
      since,
      next: { view, command: `kilde webhooks ${command} ${id}` },
    },
  ];
  if (status === "paused")
    return found(
      "subscription-paused",
      `The delivery of ${source} is paused: ${reason ?? "by request"}`,
      "resume",
    );
  if (status === "delivering") return [];
  const isDown = reason?.startsWith("endpoint: ") === true;
  const count = blocked === 1 ? "1 subject is blocked" : `${blocked} subjects are blocked`;
  return isDown
    ? found(
        "subscription-failing",
        `The delivery of ${source} fails: ${reason.slice("endpoint: ".length)}`,
        "resume",
      )
    : found("subscription-failing", `In the delivery of ${source}, ${count}`, "blocked");
}

/** The objective of a subscription that was removed, or whose id is wrong. */
function unknownProblem({ name, since, contact }: StoredObjective): OverviewProblem {
  return {
    kind: "subscription-unknown",
    resource: `/subscriptions/${encodeURIComponent(name)}`,
    detail: `${JSON.stringify(name)} has an objective, but the store has no such subscription`,
    contact,
    since,
    next: { view: "/console/webhooks", command: "kilde webhooks" },
  };
}

function consumerFinding(
  log: string,
  { name, state, seen, blocked, failure, lag }: TroubledConsumer,
  nowMs: number,
): Finding {
  const resource = `${log}/consumers/${encodeURIComponent(name)}`;
  const next = nextOfConsumer(log, name);
  const shown = JSON.stringify(name);
  if (state === "silent") return { resource, detail: `${shown} stopped reading ${log}`, since: seen, next };
  if (state === "late") {
    const detail = `${shown} lacks ${lag.events.toLocaleString("en")} events of ${log}`;
    return { resource, detail, since: new Date(nowMs - lag.seconds * 1_000).toISOString(), next };
  }
  const count = blocked === 1 ? "1 subject" : `${blocked} subjects`;
  const detail = `${shown} reports ${count} of ${log} as blocked`;
  return { resource, detail, since: failure?.since ?? null, next };
}

function consumerProblems({ log, troubled }: LogConsumers, nowMs: number): OverviewProblem[] {
  return troubled.map((consumer) => ({
    kind: `consumer-${consumer.state}` as const,
    contact: null,
    ...consumerFinding(log, consumer, nowMs),
  }));
}

/**
 * Returns the problems of a store, the most urgent kind first. `manages`: whether the sender learns why a feed fails.
 */
export function problemsOf(
  { readMs, feeds, subscriptions, consumers, missed, unknown }: OverviewFacts,
  manages: (feed: Pick<Feed, "path">) => boolean,
): readonly OverviewProblem[] {
  const all = [
    ...feeds.flatMap(({ feed, state }) => feedProblems(feed, state, manages(feed))),
    ...subscriptions.flatMap(subscriptionProblems),
    ...consumers.flatMap((each) => consumerProblems(each, readMs)),
    ...missed.map(missedProblem),
    ...unknown.map(unknownProblem),
  ];
  const urgency = ({ kind }: OverviewProblem) => OVERVIEW_PROBLEMS.indexOf(kind);
  return all.toSorted((one, other) => urgency(one) - urgency(other));
}
