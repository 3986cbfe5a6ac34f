import type { FeedInfo } from "../../client/feed-types.ts";
import { formatCounted } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { versionName } from "./feed-groups.ts";
import { type FeedTree, feedTrees } from "./feed-tree.ts";

function Branches({ trees }: { readonly trees: readonly FeedTree[] }) {
  const { router } = useConsole();
  return (
    <ul>
      {trees.map(({ feed, children }) => (
        <li key={versionName(feed)}>
          <a href={router.href(`feeds/${versionName(feed)}`)}>{versionName(feed)}</a>{" "}
          <span class={`state ${feed.status}`}>{feed.status}</span>
          {feed.lag.events > 0 && (
            <span class="muted"> {formatCounted(feed.lag.events, "event")} behind</span>
          )}
          {children.length > 0 && <Branches trees={children} />}
        </li>
      ))}
    </ul>
  );
}

/** Shows which log each version is projected from. */
export function FeedGraph({ feeds }: { readonly feeds: readonly FeedInfo[] }) {
  const { router } = useConsole();
  const { ofEvents, ofOthers } = feedTrees(feeds);
  return (
    <details class="graph">
      <summary>The source of each feed</summary>
      {ofEvents.length > 0 && (
        <>
          <p>
            <a href={router.href("streams")}>Event log</a>
          </p>
          <Branches trees={ofEvents} />
        </>
      )}
      {ofOthers.length > 0 && (
        <>
          <p>Feeds that you may not see</p>
          <Branches trees={ofOthers} />
        </>
      )}
    </details>
  );
}
