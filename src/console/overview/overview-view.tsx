import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { StoreOverview } from "../../client/store-types.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount, formatShort } from "../format/counts.ts";
import { CONSUMERS_TOPIC, EVENTS_TOPIC, FEEDS_TOPIC, SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { SubjectField } from "../subject/subject-field.tsx";
import { CountCard } from "./count-card.tsx";
import { FeedLags } from "./feed-lags.tsx";
import { ProblemList } from "./problem-list.tsx";
import { RecentOperations } from "./recent-operations.tsx";
import { Sparkline } from "./sparkline.tsx";

/** The server notes a head every 10 seconds, also while nothing changes. */
const STEP_MS = 10_000;

const REST_MS = 1_000;

function ActivityCard({ overview }: { readonly overview: StoreOverview }) {
  const { live, router } = useConsole();
  const { activity } = overview;
  // The live head is newer than the overview.
  const head = Math.max(overview.head ?? 0, live.head(EVENTS_TOPIC).value ?? 0);
  const rates = activity?.eventsPerSecond ?? [];
  const latest = rates.at(-1) ?? 0;
  return (
    <section class="card">
      <h2>
        <a href={router.href("streams")}>Event log</a>
      </h2>
      <p class="figure">
        <strong>{formatCount(head)}</strong> events
      </p>
      {activity !== null && (
        <>
          <p>
            {formatShort(latest)} a second now, {formatShort(Math.max(0, ...rates))} at most in the last hour
          </p>
          <Sparkline values={rates} label={`Events a second in the last hour: ${formatShort(latest)} now`} />
        </>
      )}
    </section>
  );
}

function Cards({ overview }: { readonly overview: StoreOverview }) {
  const { router } = useConsole();
  const { feeds, consumers, subscriptions } = overview;
  return (
    <div class="cards">
      {overview.head !== null && <ActivityCard overview={overview} />}
      <CountCard
        title="Feeds"
        href={router.href("feeds")}
        none="There is no feed."
        counts={[
          ["halted", feeds.halted, true],
          ["superseded", feeds.superseded, true],
          ["building", feeds.building, false],
          ["rebuilding", feeds.rebuilding, false],
          ["retiring", feeds.retiring, false],
          ["live", feeds.live, false],
        ]}
      >
        <FeedLags />
      </CountCard>
      <CountCard
        title="Consumers"
        href={router.href("consumers")}
        none="No consumer has read yet."
        counts={[
          ["blocked", consumers.blocked, true],
          ["late", consumers.late, true],
          ["silent", consumers.silent, true],
          ["keep up", consumers["keeps-up"], false],
        ]}
      />
      <CountCard
        title="Webhooks"
        href={router.href("webhooks")}
        none="There is no subscription."
        counts={[
          ["failing", subscriptions.failing, true],
          ["blocked subjects", subscriptions.blockedSubjects, true],
          ["paused", subscriptions.paused, true],
          ["delivering", subscriptions.delivering, false],
        ]}
      />
    </div>
  );
}

/** The state of the store: problems first, then counts, the growth of the log, and recent administration. */
export function OverviewView() {
  const { client, session, nowMs, commands } = useConsole();
  const { value, error, reload } = useResource(
    "overview",
    () => client.overview(),
    [EVENTS_TOPIC, FEEDS_TOPIC, SUBSCRIPTIONS_TOPIC, CONSUMERS_TOPIC],
    { restMs: REST_MS },
  );
  const step = useComputed(() => Math.floor(nowMs.value / STEP_MS)).value;
  useEffect(() => reload(), [step]);
  const readsOperations = session.may("read:/operations").value;
  return (
    <>
      <h1>Overview</h1>
      <LoadState value={value} error={error} reload={reload} />
      {value !== undefined && (
        <>
          <ProblemList problems={value.problems} count={value.problemCount} />
          {value.head === 0 && (
            <EmptyState title="The store is empty" command={commands.append("user-1")}>
              Append the first event. It creates its stream.
            </EmptyState>
          )}
          <Cards overview={value} />
          <section aria-labelledby="subject">
            <h2 id="subject">Look at one entity</h2>
            <SubjectField name="" />
          </section>
          {readsOperations && <RecentOperations />}
          <p class="muted">Kilde {value.version}</p>
        </>
      )}
    </>
  );
}
