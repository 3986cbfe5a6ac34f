import { useId } from "preact/hooks";

import type { Subscription } from "../../client/subscription-types.ts";
import { logAt } from "../consumers/consumed-log.ts";
import { lagText } from "../consumers/lag-text.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { formatUntil } from "../format/times.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Facts } from "../shell/facts.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { queryNumber } from "../shell/query-number.ts";
import { Time } from "../shell/time.tsx";
import { type AttemptFilter, AttemptList } from "./attempt-list.tsx";
import { BlockedSubjects } from "./blocked-subjects.tsx";
import { SkippedEvents } from "./skipped-events.tsx";
import { SubscriptionActions } from "./subscription-actions.tsx";
import { SubscriptionState } from "./subscription-state.tsx";
import { ThroughputChart } from "./throughput-chart.tsx";

/** The cause of a pause or failure. */
function Cause({
  subscription: { status, reason, since, endpoint },
}: {
  readonly subscription: Subscription;
}) {
  const { nowMs } = useConsole();
  if (endpoint !== null) {
    return (
      <p class="warning">
        The endpoint is down: {endpoint.error}, <Time time={endpoint.since} />. Kilde tries it again{" "}
        {formatUntil(endpoint.nextProbe, nowMs.value)}.
      </p>
    );
  }
  if (reason === null) return null;
  return (
    <p class="warning">
      {status === "paused" ? "Paused" : "Failing"}: {reason}, <Time time={since} />.
    </p>
  );
}

function RedeliveryProgress({ rewind }: { readonly rewind: NonNullable<Subscription["rewind"]> }) {
  const id = useId();
  const { after, upTo, walked, queued = [] } = rewind;
  const [done, total] = [Math.max(0, walked - after), Math.max(1, upTo - after)];
  return (
    <div class="progress">
      <label htmlFor={id}>
        Delivers positions {formatCount(after + 1)} to {formatCount(upTo)} again:{" "}
        {Math.floor((100 * done) / total)} %
        {queued.length > 0 && `, then ${formatCounted(queued.length, "more range")}`}
      </label>
      <progress id={id} value={done} max={total} />
    </div>
  );
}

function settingsOf(subscription: Subscription) {
  const {
    types,
    subjectPrefix,
    mode,
    batch,
    concurrency,
    attempts,
    headers,
    handshake,
    creator,
    created,
    keepAttempts,
  } = subscription;
  return [
    ["Events", types === null ? "Of all types" : types.join(", ")],
    ["Subjects", subjectPrefix === "" ? "All" : <bdi key="prefix">{subjectPrefix}…</bdi>],
    [
      "Requests",
      mode === "batch" && batch !== null ? `Batches of at most ${formatCount(batch.events)} events` : mode,
    ],
    ["Concurrent requests", `At most ${formatCount(concurrency)}`],
    ["Attempts", attempts === null ? "Without limit" : `${formatCount(attempts)}, then an event waits`],
    [
      "Kept attempts",
      keepAttempts === 0 ? "Without contents" : `${formatCount(keepAttempts)} of each outcome`,
    ],
    ["Headers", headers.length === 0 ? undefined : headers.join(", ")],
    ["Handshake", handshake?.origin],
    ["Created by", creator ?? undefined],
    ["Created", <Time key="created" time={created} />],
  ] as const;
}

/** The part of the attempts that the address names. */
function shownAttempts(query: URLSearchParams): AttemptFilter {
  const asked = query.get("outcome");
  return {
    outcome: asked === "failed" || asked === "delivered" ? asked : undefined,
    before: queryNumber(query, "before"),
  };
}

export interface SubscriptionDetailProps {
  readonly id: string;
  readonly query: URLSearchParams;
}

/** One subscription: its state and cause, its actions, its blocked subjects, and its attempts. */
export function SubscriptionDetail({ id, query }: SubscriptionDetailProps) {
  const { client, router } = useConsole();
  const { value, error, reload } = useResource(id, () => client.subscriptions.get(id), [SUBSCRIPTIONS_TOPIC]);
  return (
    <>
      <p>
        <a href={router.href("webhooks")}>Webhooks</a>
      </p>
      <h1>
        <bdi>{value === undefined ? id : value.description || value.url}</bdi>{" "}
        {value !== undefined && <SubscriptionState status={value.status} />}
      </h1>
      <LoadState value={value} error={error} reload={reload} />
      {value !== undefined && (
        <>
          <Cause subscription={value} />
          <Facts
            facts={[
              ["Endpoint", <bdi key="url">{value.url}</bdi>],
              ["Log", logAt(value.source)?.title ?? value.source],
              ["Cursor", formatCount(value.cursor)],
              ["Lag", lagText(value.lag)],
              ["Id", <code key="id">{value.subscription}</code>],
            ]}
          />
          {value.rewind !== null && <RedeliveryProgress rewind={value.rewind} />}
          <SubscriptionActions subscription={value} onChange={reload} />
          <BlockedSubjects subscription={value} after={query.get("blocked") ?? ""} />
          <AttemptList subscription={value} {...shownAttempts(query)} onChange={reload} />
          <h2>Throughput</h2>
          <ThroughputChart subscription={value} />
          <SkippedEvents id={id} />
          <h2>Settings</h2>
          <Facts facts={settingsOf(value)} />
        </>
      )}
    </>
  );
}
