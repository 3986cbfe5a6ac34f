import type { FeedInfo } from "../../client/feed-types.ts";
import { useResource } from "../data/use-resource.ts";
import { versionName } from "../feeds/feed-groups.ts";
import { formatCounted } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";
import { FEEDS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { mostBehind } from "./most-behind.ts";

const REST_MS = 2_000;

function Lag({ feed }: { readonly feed: FeedInfo }) {
  const { router } = useConsole();
  const { lag, progress, failure } = feed;
  // A halted feed makes no progress.
  const left = failure === null ? (progress?.secondsLeft ?? null) : null;
  return (
    <li>
      <a href={router.href(`feeds/${versionName(feed)}`)}>{versionName(feed)}</a>{" "}
      <span class="muted">
        {formatCounted(lag.events, "event")} behind, {formatDuration(lag.seconds)}
        {left !== null && `; ${formatDuration(left)} left`}
      </span>
    </li>
  );
}

/** The feeds that are furthest behind their source. */
export function FeedLags() {
  const { client } = useConsole();
  const { value, error, reload } = useResource(
    "lags",
    async (signal) => mostBehind(await client.feeds.list(signal)),
    [FEEDS_TOPIC],
    { restMs: REST_MS },
  );
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined) return null;
  if (value.length === 0) return <p class="good">All are up to date.</p>;
  return (
    <ul class="readers">
      {value.map((feed) => (
        <Lag key={versionName(feed)} feed={feed} />
      ))}
    </ul>
  );
}
