import { useEffect, useId, useRef } from "preact/hooks";

import type { FeedInfo } from "../../client/feed-types.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";
import { useConsole } from "../shell/console-context.ts";
import { Time } from "../shell/time.tsx";
import { ContractDifference } from "./contract-difference.tsx";
import { Contract } from "./contract.tsx";
import { FeedActions } from "./feed-actions.tsx";
import { versionName, versionPath } from "./feed-groups.ts";
import { FeedReaders } from "./feed-readers.tsx";
import { HaltedFeed } from "./halted-feed.tsx";

export interface FeedCardProps {
  readonly feed: FeedInfo;
  /** The version before it; undefined: it is the first one. */
  readonly previous: FeedInfo | undefined;
  /** Versions that are projected from it. */
  readonly dependents: readonly FeedInfo[];
  /** Whether the address names this version. */
  readonly isSelected: boolean;
  readonly onChange: () => void;
}

function BuildProgress({ feed }: { readonly feed: FeedInfo }) {
  const id = useId();
  const { progress } = feed;
  if (progress === null || feed.failure !== null) return null;
  const { done, total, eventsPerSecond, secondsLeft } = progress;
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  return (
    <div class="progress">
      <label htmlFor={id}>
        {percent} % of {formatCounted(total, "event")}, {formatCount(Math.round(eventsPerSecond))} a second
        {secondsLeft !== null && `, ${formatDuration(secondsLeft)} left`}
      </label>
      <progress id={id} value={done} max={Math.max(1, total)} />
    </div>
  );
}

function Deprecation({ feed }: { readonly feed: FeedInfo }) {
  const { router } = useConsole();
  const { deprecated, sunset, successor } = feed;
  if (deprecated === null && sunset === null) return null;
  return (
    <p class="warning">
      {deprecated !== null && (
        <>
          Deprecated <Time time={deprecated} isExact />.{" "}
        </>
      )}
      {sunset !== null && (
        <>
          Sunset <Time time={sunset} isExact />.{" "}
        </>
      )}
      {successor !== null && (
        <a href={router.href(`feeds/${feed.feed}/v${successor}`)}>Use version {successor} instead</a>
      )}
    </p>
  );
}

function lagText({ lag }: FeedInfo): string {
  if (lag.events === 0) return "Up to date";
  return `${formatCounted(lag.events, "event")} behind, the oldest for ${formatDuration(lag.seconds)}`;
}

/** One version of a feed. */
export function FeedCard(props: FeedCardProps) {
  const { feed, previous, dependents, isSelected, onChange } = props;
  const { live, session, router } = useConsole();
  const card = useRef<HTMLElement>(null);
  const titleId = useId();
  const mayManage = session.may(`manage:${versionPath(feed)}`).value;
  const head = Math.max(feed.head, live.head(versionPath(feed)).value ?? 0);
  useEffect(() => {
    if (isSelected) card.current?.scrollIntoView({ block: "nearest" });
  }, [isSelected]);
  const { version, status, draft, access, source, failure, release } = feed;
  return (
    <article
      ref={card}
      class={isSelected ? "card selected" : "card"}
      aria-labelledby={titleId}
      aria-current={isSelected ? "true" : undefined}
    >
      <h3 id={titleId}>
        <a href={router.href(`feeds/${versionName(feed)}`)}>Version {version}</a>{" "}
        <span class={`state ${status}`}>{status}</span>
        {draft && <span class="state">draft</span>}
        {access === "public" && <span class="state">public</span>}
        {release !== "current" && <span class="state">{release} release</span>}
      </h3>
      <p>
        {formatCounted(head, "event")}. {lagText(feed)}.
      </p>
      {source !== null && (
        <p class="muted">
          From <code>{source}</code>
        </p>
      )}
      <BuildProgress feed={feed} />
      <Deprecation feed={feed} />
      {failure !== null && (
        <HaltedFeed feed={feed} failure={failure} mayManage={mayManage} onChange={onChange} />
      )}
      <h4>Readers</h4>
      <FeedReaders feed={feed} dependents={dependents} />
      {previous !== undefined && <ContractDifference feed={feed} previous={previous} />}
      <Contract feed={feed} />
      {mayManage && <FeedActions feed={feed} dependents={dependents} onChange={onChange} />}
    </article>
  );
}
