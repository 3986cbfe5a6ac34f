import type { FeedInfo } from "../../client/feed-types.ts";
import type { Subscription } from "../../client/subscription-types.ts";
import type { ConsumerInfo } from "../../client/types.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";
import { ConsumerState } from "../consumers/consumer-state.tsx";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import { versionName, versionPath } from "./feed-groups.ts";
import { useConsumers } from "./use-consumers.ts";
import { useSubscriptions } from "./use-subscriptions.ts";

export interface FeedReadersProps {
  readonly feed: FeedInfo;
  /** Versions that are projected from it, which keep it in use as well. */
  readonly dependents: readonly FeedInfo[];
}

function ConsumerLine({
  info,
  feed,
  log,
}: {
  readonly info: ConsumerInfo;
  readonly feed: string;
  readonly log: string;
}) {
  const { router } = useConsole();
  const { consumer, state, committed, sent, lag, seen, blocked, failure, active } = info;
  return (
    <li>
      <a href={router.href("consumers", { log, consumer })}>
        <bdi>{consumer}</bdi>
      </a>{" "}
      <ConsumerState state={state} />
      <br />
      <span class="muted">
        {committed === null ? "committed nothing" : `committed ${formatCount(committed)}`}
        {sent !== null && `, sent ${formatCount(sent)}`}
        {lag.events > 0 && `, ${formatCounted(lag.events, "event")} behind (${formatDuration(lag.seconds)})`}
        {blocked > 0 && `, ${formatCounted(blocked, "blocked subject")}`}, last seen <Time time={seen} />
        {!active && "; it does not keep the version in use any more"}
      </span>
      {failure !== null && (
        <p class="warning">
          Blocked at{" "}
          <a href={router.href("subject", { name: failure.subject, feed })}>
            <bdi>{failure.subject}</bdi>
          </a>
          : {failure.message}
        </p>
      )}
    </li>
  );
}

function SubscriptionLine({ subscription }: { readonly subscription: Subscription }) {
  const { router } = useConsole();
  const { subscription: id, url, status, lag } = subscription;
  return (
    <li>
      <a href={router.href(`webhooks/${id}`)}>
        <bdi>{url}</bdi>
      </a>{" "}
      <span class={`state ${status}`}>{status}</span>
      {lag.events > 0 && <span class="muted"> {formatCounted(lag.events, "event")} behind</span>}
    </li>
  );
}

/** The consumers, subscriptions and feeds that keep a version in use. */
export function FeedReaders({ feed, dependents }: FeedReadersProps) {
  const { router } = useConsole();
  const { value, error, reload } = useConsumers(versionName(feed));
  const subscriptions = useSubscriptions(versionPath(feed));
  if (subscriptions.error !== null)
    return <Problem error={subscriptions.error} onRetry={subscriptions.reload} />;
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined || subscriptions.value === undefined)
    return <p class="muted">Loading the readers…</p>;
  if (value === null) return <p class="muted">You may not see who reads this version.</p>;
  const { entries: delivering, hasMore } = subscriptions.value ?? { entries: [], hasMore: false };
  if (value.entries.length + delivering.length + dependents.length === 0)
    return <p class="muted">Nobody reads this version.</p>;
  return (
    <ul class="readers">
      {value.entries.map((info) => (
        <ConsumerLine key={info.consumer} info={info} feed={feed.feed} log={versionPath(feed)} />
      ))}
      {value.hasMore && (
        <li>
          <a href={router.href("consumers", { log: versionPath(feed) })}>and more consumers</a>
        </li>
      )}
      {dependents.map((dependent) => (
        <li key={versionName(dependent)}>
          <a href={router.href(`feeds/${versionName(dependent)}`)}>{versionName(dependent)}</a>{" "}
          <span class={`state ${dependent.status}`}>{dependent.status}</span>{" "}
          <span class="muted">is projected from it</span>
        </li>
      ))}
      {delivering.map((subscription) => (
        <SubscriptionLine key={subscription.subscription} subscription={subscription} />
      ))}
      {hasMore && (
        <li>
          <a href={router.href("webhooks", { source: versionPath(feed) })}>and more webhooks</a>
        </li>
      )}
    </ul>
  );
}
