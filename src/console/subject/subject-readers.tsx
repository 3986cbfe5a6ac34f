import type { Subscription } from "../../client/subscription-types.ts";
import type { ConsumerInfo, FeedVersion } from "../../client/types.ts";
import type { KildeEvent } from "../../core/read-event.ts";
import { useResource } from "../data/use-resource.ts";
import { useConsumers } from "../feeds/use-consumers.ts";
import { useSubscriptions } from "../feeds/use-subscriptions.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { Command } from "../shell/command.tsx";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import {
  type RefusedEvent,
  consumerProgress,
  type SubjectProgress,
  subscriptionProgress,
} from "./reader-progress.ts";

/** Blocked subjects of a subscription that are looked through. */
const MOST_BLOCKED = 1_000;

function progressText(progress: SubjectProgress): string {
  switch (progress.kind) {
    case "nothing":
      return "nothing to read";
    case "complete":
      return `has version ${formatCount(progress.version)}, the latest`;
    case "uncertain":
      return `passed version ${formatCount(progress.version)}, the latest, unless this is one of ${formatCounted(progress.others, "blocked subject")} that it does not name`;
    case "behind":
      return progress.version === null
        ? `lacks all shown versions up to ${formatCount(progress.latest)}`
        : `has version ${formatCount(progress.version)} of ${formatCount(progress.latest)}`;
    case "blocked":
      return progress.version === null
        ? "is blocked at this subject"
        : `is blocked at version ${formatCount(progress.version)} of ${formatCount(progress.latest)}`;
  }
}

function stateOf({ kind }: SubjectProgress): string {
  return kind === "complete" || kind === "nothing" ? "keeps-up" : kind === "blocked" ? "blocked" : "late";
}

interface ConsumerLineProps {
  readonly info: ConsumerInfo;
  /** Path of the log. */
  readonly log: string;
  readonly progress: SubjectProgress;
}

/** Reason for which a consumer lacks events of the subject, and the remedy. */
function ConsumerReason({ info, progress }: Pick<ConsumerLineProps, "info" | "progress">) {
  const { state, lag, seen, failure, blocked } = info;
  return (
    <p class="muted">
      Its lag in the log: {formatCounted(lag.events, "event")}, {formatDuration(lag.seconds)}; last seen{" "}
      <Time time={seen} />. {state === "silent" && "It sends no requests: check whether it runs."}
      {progress.kind === "behind" && failure !== null && (
        <>
          {" "}
          It reports {formatCounted(blocked, "blocked subject")}, at last <bdi>{failure.subject}</bdi>.
        </>
      )}
    </p>
  );
}

function ConsumerLine({ info, log, progress }: ConsumerLineProps) {
  const { router } = useConsole();
  return (
    <li>
      <a href={router.href("consumers", { log, consumer: info.consumer })}>
        <bdi>{info.consumer}</bdi>
      </a>{" "}
      <span class={`state ${stateOf(progress)}`}>{progressText(progress)}</span>
      {(progress.kind === "behind" || progress.kind === "blocked") && (
        <ConsumerReason info={info} progress={progress} />
      )}
      {progress.kind === "blocked" && (
        <>
          <pre tabIndex={0} aria-label={`Failure of ${info.consumer}`}>
            {progress.message}
          </pre>
          <p>
            <strong>Remedy:</strong> correct the handler of this consumer and deploy it: the consumer tries
            the event again, and then continues with the later ones.
          </p>
        </>
      )}
    </li>
  );
}

function SubscriptionLine({
  subscription,
  name,
  events,
}: {
  readonly subscription: Subscription;
  readonly name: string;
  readonly events: readonly KildeEvent[];
}) {
  const { client, router, commands } = useConsole();
  const { subscription: id, url, status, blocked, reason } = subscription;
  const { value = null } = useResource(
    `${id}\n${name}`,
    async (): Promise<RefusedEvent | null> => {
      let count = 0;
      if (blocked === 0) return null;
      for await (const each of client.subscriptions.blocked(id)) {
        if (each.subject === name) return each;
        count += 1;
        if (count === MOST_BLOCKED) break;
      }
      return null;
    },
    [SUBSCRIPTIONS_TOPIC],
  );
  const progress = subscriptionProgress(subscription, value, events);
  return (
    <li>
      <a href={router.href(`webhooks/${id}`)}>
        <bdi>{url}</bdi>
      </a>{" "}
      <span class={`state ${stateOf(progress)}`}>{progressText(progress)}</span>
      {progress.kind === "behind" && (
        <p class="muted">
          The subscription is {status}
          {reason !== null && `: ${reason}`}
        </p>
      )}
      {progress.kind === "blocked" && (
        <>
          <pre tabIndex={0} aria-label={`Failure of ${id}`}>
            {progress.message}
          </pre>
          <p>
            <strong>Remedy:</strong> correct the receiver, and retry the event.
          </p>
          <Command command={commands.retrySubject(id, name)} />
        </>
      )}
    </li>
  );
}

export interface SubjectReadersProps {
  /** The feed; undefined: the event log. */
  readonly feed: FeedVersion | undefined;
  readonly name: string;
  /** The latest events of the subject in that log. */
  readonly events: readonly KildeEvent[];
}

/** How far the readers of a log are with one subject. */
export function SubjectReaders({ feed, name, events }: SubjectReadersProps) {
  const { router } = useConsole();
  const { value, error, reload } = useConsumers(feed);
  const log = feed === undefined ? "/events" : `/feeds/${feed}`;
  const subscriptions = useSubscriptions(log);
  const delivering =
    subscriptions.value?.entries.filter(({ subjectPrefix }) => name.startsWith(subjectPrefix)) ?? [];
  const title = feed ?? "Event log";
  const consumers = value?.entries ?? [];
  return (
    <section class="card" aria-label={`Readers of ${title}`}>
      <h3>{title}</h3>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {subscriptions.error !== null && <Problem error={subscriptions.error} onRetry={subscriptions.reload} />}
      {value === null && <p class="muted">You may not see who reads it.</p>}
      {value !== undefined &&
        value !== null &&
        subscriptions.value !== undefined &&
        consumers.length + delivering.length === 0 && <p class="muted">Nobody reads it.</p>}
      <ul class="readers">
        {consumers.map((info) => (
          <ConsumerLine
            key={info.consumer}
            info={info}
            log={log}
            progress={consumerProgress(info, name, events)}
          />
        ))}
        {value?.hasMore === true && (
          <li>
            <a href={router.href("consumers", { log })}>and more consumers</a>
          </li>
        )}
        {delivering.map((subscription) => (
          <SubscriptionLine
            key={subscription.subscription}
            subscription={subscription}
            name={name}
            events={events}
          />
        ))}
        {subscriptions.value?.hasMore === true && (
          <li>
            <a href={router.href("webhooks", { source: log })}>and more webhooks</a>
          </li>
        )}
      </ul>
    </section>
  );
}
