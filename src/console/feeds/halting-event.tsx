import { useSignal } from "@preact/signals";

import type { FeedVersion } from "../../client/types.ts";
import { readEventAt } from "../data/read-event-at.ts";
import { useResource } from "../data/use-resource.ts";
import { EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { EventCard } from "../streams/event-card.tsx";

export interface HaltingEventProps {
  /** Path of the log. */
  readonly source: string;
  readonly position: number;
}

function LoadedEvent({ source, position }: HaltingEventProps) {
  const { client } = useConsole();
  const { value, error, reload } = useResource(`${source} ${position}`, (signal) => {
    const feed = source === EVENTS_TOPIC ? undefined : (source.slice("/feeds/".length) as FeedVersion);
    return readEventAt(client, position, { feed, signal });
  });
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined) return <p class="muted">Loading…</p>;
  if (value === null) return <p class="muted">The event was removed.</p>;
  return (
    <ol class="timeline">
      <EventCard event={value} form="pretty" />
    </ol>
  );
}

/** The event at which a projection fails, which is loaded when it is opened. */
export function HaltingEvent(props: HaltingEventProps) {
  const isOpen = useSignal(false);
  return (
    <details
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>The event</summary>
      {isOpen.value && <LoadedEvent {...props} />}
    </details>
  );
}
