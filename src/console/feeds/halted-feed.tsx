import type { FeedFailure, FeedInfo } from "../../client/feed-types.ts";
import { formatCount } from "../format/counts.ts";
import { Command } from "../shell/command.tsx";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import { useAction } from "../shell/use-action.ts";
import { versionName } from "./feed-groups.ts";
import { HaltingEvent } from "./halting-event.tsx";

export interface HaltedFeedProps {
  readonly feed: FeedInfo;
  readonly failure: FeedFailure;
  readonly mayManage: boolean;
  /** Called after the feed was resumed. */
  readonly onChange: () => void;
}

/** Why a projection is halted, and how to resume it. */
export function HaltedFeed({ feed, failure, mayManage, onChange }: HaltedFeedProps) {
  const { client, router, commands } = useConsole();
  const { isBusy, error, run } = useAction();
  const { position, subject, message, issues, stack, since } = failure;
  const resume = async (): Promise<void> => {
    await client.feeds.resume(versionName(feed));
    onChange();
  };
  return (
    <section class="problem">
      <h4>
        Halted <Time time={since} />
      </h4>
      <p>
        The projection fails at event {formatCount(position)} of{" "}
        {feed.source === null ? "its source" : <code>{feed.source}</code>}, about{" "}
        <a href={router.href("subject", { name: subject, feed: feed.feed })}>
          <bdi>{subject}</bdi>
        </a>
        . Nothing after it is published.
      </p>
      <pre tabIndex={0} aria-label="Error of the projection">
        {message}
      </pre>
      {issues.length > 0 && (
        <ul>
          {issues.map(({ pointer, detail }) => (
            <li key={pointer}>
              <code>{pointer}</code>: {detail}
            </li>
          ))}
        </ul>
      )}
      {stack.length > 0 && (
        <details>
          <summary>The stack</summary>
          <pre tabIndex={0} aria-label="Stack of the error">
            {stack.join("\n")}
          </pre>
        </details>
      )}
      {feed.source !== null && <HaltingEvent source={feed.source} position={position} />}
      <p>
        <strong>Remedy:</strong> correct the projection, deploy it, and resume the feed.
      </p>
      {error !== null && <Problem error={error} />}
      {mayManage && (
        <p class="actions">
          <button type="button" disabled={isBusy} onClick={() => run(resume)}>
            {isBusy ? "Resuming…" : "Resume"}
          </button>
        </p>
      )}
      <Command command={commands.resumeFeed(feed.feed, feed.version)} />
    </section>
  );
}
