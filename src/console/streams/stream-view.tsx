import { useId, useMemo } from "preact/hooks";

import { useResource } from "../data/use-resource.ts";
import { formatCount } from "../format/counts.ts";
import { localInputTime } from "../format/times.ts";
import { EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { DialogButton } from "../shell/dialog-button.tsx";
import { EmptyState } from "../shell/empty-state.tsx";
import { Problem } from "../shell/problem.tsx";
import { queryNumber } from "../shell/query-number.ts";
import type { QueryValues } from "../shell/router.ts";
import { useAction } from "../shell/use-action.ts";
import type { ViewProps } from "../shell/views.ts";
import { EraseButton } from "./erase-button.tsx";
import { streamGrant } from "./stream-grant.ts";
import { AppendDialog } from "./append-dialog.tsx";
import { EventCard, type EventForm } from "./event-card.tsx";
import { ExportButton } from "./export-button.tsx";
import { StreamsView } from "./streams-view.tsx";
import { createTimeline, type Timeline } from "./timeline.ts";

/** The state of the view, as its address has it. */
interface ShownStream {
  readonly name: string;
  readonly version: number | undefined;
  readonly asOf: string | undefined;
  readonly form: EventForm;
}

function shownStream(query: URLSearchParams): ShownStream {
  return {
    name: query.get("name") ?? "",
    version: queryNumber(query, "version"),
    asOf: query.get("asOf") ?? undefined,
    form: query.get("form") === "raw" ? "raw" : "pretty",
  };
}

function queryOf({ name, version, asOf, form }: ShownStream): QueryValues {
  return { name, version, asOf, form: form === "raw" ? form : undefined };
}

/** A local time of an `input`, as RFC 3339; undefined: it is empty. */
function statedTime(local: string): string | undefined {
  const milliseconds = Date.parse(local);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds).toISOString();
}

/** Chooses which part of the stream's past is shown, and in which form. */
function TimelineControls({ shown }: { readonly shown: ShownStream }) {
  const { router } = useConsole();
  const [versionId, timeId] = [useId(), useId()];
  const show = (change: Partial<ShownStream>): void => {
    router.go(router.href("stream", queryOf({ ...shown, ...change })));
  };
  const { version, asOf, form } = shown;
  return (
    <div class="controls">
      <p class="field">
        <label htmlFor={versionId}>As of version</label>
        <input
          id={versionId}
          type="number"
          min={1}
          value={version ?? ""}
          onChange={({ currentTarget }) => {
            const stated = Number(currentTarget.value);
            show({ version: stated > 0 ? stated : undefined, asOf: undefined });
          }}
        />
      </p>
      <p class="field">
        <label htmlFor={timeId}>As recorded at</label>
        <input
          id={timeId}
          type="datetime-local"
          step={1}
          value={asOf === undefined ? "" : localInputTime(asOf)}
          onChange={({ currentTarget }) =>
            show({ asOf: statedTime(currentTarget.value), version: undefined })
          }
        />
      </p>
      <p class="actions">
        {(version !== undefined || asOf !== undefined) && (
          <button type="button" onClick={() => show({ version: undefined, asOf: undefined })}>
            Show the latest
          </button>
        )}
        <button
          type="button"
          aria-pressed={form === "raw"}
          onClick={() => show({ form: form === "raw" ? "pretty" : "raw" })}
        >
          Raw
        </button>
      </p>
    </div>
  );
}

function EarlierButton({ timeline }: { readonly timeline: Timeline }) {
  const { isBusy, error, run } = useAction();
  return (
    <>
      {error !== null && <Problem error={error} />}
      <button
        type="button"
        disabled={isBusy}
        onClick={() => run(() => timeline.readEarlier(new AbortController().signal))}
      >
        {isBusy ? "Loading…" : "Earlier events"}
      </button>
    </>
  );
}

function boundText({ version, asOf }: ShownStream): string {
  if (version !== undefined) return `As of version ${formatCount(version)}`;
  return asOf === undefined ? "The latest events first, as they are appended" : `As recorded at ${asOf}`;
}

function Stream({ shown }: { readonly shown: ShownStream }) {
  const { client, router, session, commands } = useConsole();
  const { name, version, asOf, form } = shown;
  const isPast = version !== undefined || asOf !== undefined;
  const key = `${name}\n${version ?? ""}\n${asOf ?? ""}`;
  const timeline = useMemo(() => createTimeline(client, name, { toVersion: version, asOf }), [key]);
  const { error, reload } = useResource(
    key,
    (abort) => timeline.readLatest(abort),
    isPast ? [] : [EVENTS_TOPIC],
  );
  const { events, hasEarlier, isLoaded } = timeline.state.value;
  const [latest] = events;
  const mayErase = session.may(streamGrant("erase", name)).value && latest?.erased === false;
  const mayAppend = session.may(streamGrant("append", name)).value && latest?.erased !== true;
  return (
    <>
      <h1>
        Stream <bdi>{name}</bdi>
      </h1>
      <p class="actions">
        <a href={router.href("subject", { name })}>Its publications and readers</a>
        {isLoaded && latest !== undefined && (
          <ExportButton key={key} stream={name} bound={{ toVersion: version, asOf }} />
        )}
        {isLoaded && !isPast && mayAppend && (
          <DialogButton
            label="Append"
            dialog={(close) => (
              <AppendDialog
                stream={name}
                version={latest?.version ?? 0}
                onAppended={reload}
                onClose={close}
              />
            )}
          />
        )}
        {isLoaded && !isPast && mayErase && (
          <EraseButton stream={name} version={latest.version} onErased={reload} />
        )}
      </p>
      <TimelineControls shown={shown} />
      <p class="muted">{boundText(shown)}</p>
      <p class="hidden" role="status">
        {latest === undefined ? "" : `Version ${latest.version}: ${latest.type}`}
      </p>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {!isLoaded && error === null && <p class="muted">Loading…</p>}
      {isLoaded && latest === undefined && (
        <EmptyState title="The stream has no events" command={commands.append(name)}>
          {isPast ? "It had none at that time." : "The first event creates it."}
        </EmptyState>
      )}
      <h2 class="hidden">Events</h2>
      <ol class="timeline">
        {events.map((event) => (
          <EventCard key={event.id} event={event} form={form} />
        ))}
      </ol>
      {hasEarlier && <EarlierButton timeline={timeline} />}
    </>
  );
}

/** Shows one stream as a timeline. */
export function StreamView(props: ViewProps) {
  const shown = shownStream(props.query);
  return shown.name === "" ? <StreamsView {...props} /> : <Stream shown={shown} />;
}
