import { useMemo } from "preact/hooks";

import type { KildeEvent } from "../../core/read-event.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import { JsonText } from "./json-text.tsx";

/** `pretty`: data, metadata and attributes with indentation; `raw`: the event as the server sends it. */
export type EventForm = "pretty" | "raw";

interface EventProps {
  readonly event: KildeEvent;
}

function indented(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function PrettyEvent({ event }: EventProps) {
  const { data, metadata, attributes, version } = event;
  // An event may have megabytes, and is shown again with each later one.
  const text = useMemo(() => (data === undefined ? "" : indented(data)), [event]);
  const hasMetadata = Object.keys(metadata).length > 0;
  const hasAttributes = Object.keys(attributes).length > 0;
  return (
    <>
      {data === undefined ? (
        <p class="muted">Without data</p>
      ) : (
        <JsonText text={text} value={data} label={`Data of version ${version}`} />
      )}
      {hasMetadata && (
        <details>
          <summary>Metadata</summary>
          <JsonText text={indented(metadata)} label={`Metadata of version ${version}`} />
        </details>
      )}
      {hasAttributes && (
        <details>
          <summary>Attributes</summary>
          <JsonText text={indented(attributes)} label={`Attributes of version ${version}`} />
        </details>
      )}
    </>
  );
}

/** The text of the event: parsing and writing it again would change numbers. */
function RawEvent({ event }: EventProps) {
  const { client } = useConsole();
  const { subject, version, id } = event;
  const { value, error, reload } = useResource(id, (signal) =>
    client.fetchText(`/streams/${encodeURIComponent(subject)}?afterVersion=${version - 1}&limit=1`, {
      accept: "application/x-ndjson",
      signal,
    }),
  );
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined) return <p class="muted">Loading…</p>;
  return <JsonText text={value.trimEnd()} label={`Text of version ${version}`} />;
}

/** One event of a timeline. */
export function EventCard({ event, form }: EventProps & { readonly form: EventForm }) {
  const { router } = useConsole();
  const { version, type, position, time, recordedTime, erased, reason, metadata } = event;
  const isConnected = metadata.correlationId !== undefined || metadata.causationId !== undefined;
  return (
    <li class={erased ? "event erased" : "event"} id={`version-${version}`}>
      <h3>
        <span class="version">{formatCount(version)}</span> <bdi>{type}</bdi>
      </h3>
      <p class="muted">
        <Time time={recordedTime} isExact /> · position {formatCount(position)}
        {time !== recordedTime && (
          <>
            {" "}
            · happened <Time time={time} isExact />
          </>
        )}
        {isConnected && (
          <>
            {" "}
            ·{" "}
            <a href={router.href("causation", { event: position })}>
              causes and effects<span class="hidden"> of version {version}</span>
            </a>
          </>
        )}
      </p>
      {erased && <p>The events before this one were erased: {reason ?? "no reason was given"}</p>}
      {form === "raw" ? <RawEvent event={event} /> : <PrettyEvent event={event} />}
    </li>
  );
}
