import type { FeedInfo } from "../../client/feed-types.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCounted } from "../format/counts.ts";
import { EVENTS_TOPIC, FEEDS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { LoadState } from "../shell/load-state.tsx";
import type { ViewProps } from "../shell/views.ts";
import { FeedCard } from "./feed-card.tsx";
import { FeedGraph } from "./feed-graph.tsx";
import { groupFeeds } from "./feed-groups.ts";
import { projectedFrom } from "./feed-tree.ts";

/** A busy store changes all the time. */
const REST_MS = 600;

/** The description of the latest version, if it has one. */
function descriptionOf(versions: readonly FeedInfo[]): string[] {
  const description = versions.at(-1)?.description ?? null;
  return description === null ? [] : [description];
}

/** The versions of each feed side by side, with their readers. */
export function FeedsView({ rest }: ViewProps) {
  const { client, router, commands } = useConsole();
  const { value, error, reload } = useResource(
    "feeds",
    (signal) => client.feeds.list(signal),
    [EVENTS_TOPIC, FEEDS_TOPIC],
    { restMs: REST_MS },
  );
  const [selectedName, selectedVersion] = rest;
  const isSelected = ({ feed, version }: FeedInfo): boolean =>
    feed === selectedName && `v${version}` === selectedVersion;
  return (
    <>
      <h1>Feeds</h1>
      <LoadState value={value} error={error} reload={reload} />
      {value !== undefined && selectedVersion !== undefined && !value.some(isSelected) && (
        <p class="warning">
          There is no version <bdi>{rest.join("/")}</bdi> that you may read: it may have been retired.
        </p>
      )}
      {value?.length === 0 && (
        <EmptyState title="There is no feed that you may read" command={commands.testFeed()}>
          Define a feed in <code>kilde.config.ts</code>, test it, and start the server with it.
        </EmptyState>
      )}
      {groupFeeds(value ?? []).map(({ name, versions }) => (
        <section key={name} aria-labelledby={`feed-${name}`}>
          <h2 id={`feed-${name}`}>{name}</h2>
          <p class="muted">
            {[formatCounted(versions.length, "version"), ...descriptionOf(versions)].join(": ")}
          </p>
          <p class="actions">
            <a class="button" href={router.href("subject", { feed: name })}>
              {versions.length > 1 ? "Compare its versions by a subject" : "Look at a subject"}
            </a>
          </p>
          <div class="versions">
            {versions.map((feed, index) => (
              <FeedCard
                key={feed.version}
                feed={feed}
                previous={versions[index - 1]}
                dependents={projectedFrom(feed, value ?? [])}
                isSelected={isSelected(feed)}
                onChange={reload}
              />
            ))}
          </div>
        </section>
      ))}
      {value !== undefined && value.length > 0 && <FeedGraph feeds={value} />}
    </>
  );
}
