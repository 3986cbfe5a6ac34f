import type { KildeEvent } from "../../core/read-event.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { Time } from "../shell/time.tsx";
import type { ViewProps } from "../shell/views.ts";
import { type Causation, readCausation } from "./causation-reads.ts";
import { type CausationTree, causationTrees, connectedTrees } from "./causation.ts";

interface TreesProps {
  readonly trees: readonly CausationTree<KildeEvent>[];
  /** Position of the event that the view is about. */
  readonly focus: number;
}

function Trees({ trees, focus }: TreesProps) {
  const { router } = useConsole();
  return (
    <ul>
      {trees.map(({ event: { position, subject, version, type, recordedTime }, effects }) => (
        <li key={position} aria-current={position === focus ? "true" : undefined}>
          <a href={router.href("causation", { event: position })}>
            <bdi>{type}</bdi>
          </a>{" "}
          <span class="muted">
            <a href={router.href("stream", { name: subject, version })}>
              <bdi>{subject}</bdi>, version {formatCount(version)}
            </a>
            , <Time time={recordedTime} />
          </span>
          {effects.length > 0 && <Trees trees={effects} focus={focus} />}
        </li>
      ))}
    </ul>
  );
}

/** The events that the tree may lack. */
function Completeness({ causation: { event, index, isCut } }: { readonly causation: Causation }) {
  if (event.metadata.correlationId === undefined)
    return (
      <p class="muted">
        The event has no correlation id, so the tree has only the latest events of the same stream, and the
        causes of this event.
      </p>
    );
  if (index === null)
    return (
      <p class="muted">
        This server keeps no index of correlations, so the tree has only the latest events of the same stream,
        and the causes of this event. The setting <code>correlations: true</code> adds those of other streams.
      </p>
    );
  const missing = Math.max(0, index.head - index.indexed);
  return (
    <p class="muted">
      {isCut && "These are the first correlated events; there are more. "}
      {missing === 0
        ? "All events are indexed."
        : `The index lacks the latest ${formatCounted(missing, "event")} of the log.`}
    </p>
  );
}

function Found({ causation }: { readonly causation: Causation }) {
  const { event, events } = causation;
  const { correlationId, causationId } = event.metadata;
  return (
    <>
      <dl class="facts">
        <div>
          <dt>Correlation</dt>
          <dd>{correlationId === undefined ? "none" : <bdi>{correlationId}</bdi>}</dd>
        </div>
        <div>
          <dt>Cause</dt>
          <dd>{causationId === undefined ? "none" : <bdi>{causationId}</bdi>}</dd>
        </div>
      </dl>
      <section aria-labelledby="tree">
        <h2 id="tree">Each event below its cause</h2>
        <div class="tree">
          <Trees trees={connectedTrees(causationTrees(events), event)} focus={event.position} />
        </div>
        <Completeness causation={causation} />
      </section>
    </>
  );
}

/** Shows the events that are connected with an event, each below the event that caused it. */
export function CausationView({ query }: ViewProps) {
  const { client } = useConsole();
  const stated = Number(query.get("event") ?? "");
  const position = Number.isSafeInteger(stated) && stated > 0 ? stated : null;
  const { value, error, reload } = useResource(
    String(position),
    async (signal) => (position === null ? null : readCausation(client, position, signal)),
    [EVENTS_TOPIC],
    { restMs: 1_000 },
  );
  return (
    <>
      <h1>
        Causes and effects of <bdi>{value?.event.type ?? "an event"}</bdi>
      </h1>
      <LoadState value={value} error={error} reload={reload} />
      {value === null && (
        <EmptyState title="There is no such event">It was removed, or the address is incomplete.</EmptyState>
      )}
      {value !== undefined && value !== null && <Found causation={value} />}
    </>
  );
}
