import { useMemo } from "preact/hooks";

import type { KildeEvent } from "../../core/read-event.ts";
import type { FeedInfo } from "../../client/feed-types.ts";
import { useResource } from "../data/use-resource.ts";
import { groupFeeds, versionName } from "../feeds/feed-groups.ts";
import { EVENTS_TOPIC, FEEDS_TOPIC } from "../live/topics.ts";
import { Command } from "../shell/command.tsx";
import { useConsole } from "../shell/console-context.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { Problem } from "../shell/problem.tsx";
import { queryNumber } from "../shell/query-number.ts";
import type { QueryValues } from "../shell/router.ts";
import type { ViewProps } from "../shell/views.ts";
import { AlignedRowItem } from "./aligned-row.tsx";
import { alignEvents, differs } from "./alignment.ts";
import { RecentSubjects } from "./recent-subjects.tsx";
import { SubjectField } from "./subject-field.tsx";
import { SubjectReaders } from "./subject-readers.tsx";
import { type Publication, readSubjectPage, type SubjectPage } from "./subject-reads.ts";

/** A busy store changes all the time, and a page takes a request for each log. */
const REST_MS = 600;

/** The state of the view, as its address has it. */
interface ShownSubject {
  readonly name: string;
  /** Only versions of this feed; undefined: of all. */
  readonly feed: string | undefined;
  readonly before: number | undefined;
  /** Only events of which versions published something else. */
  readonly isOnlyDifferences: boolean;
}

function shownSubject(query: URLSearchParams): ShownSubject {
  return {
    name: query.get("name") ?? "",
    feed: query.get("feed") ?? undefined,
    before: queryNumber(query, "before"),
    isOnlyDifferences: query.get("only") === "differences",
  };
}

function queryOf({ name, feed, before, isOnlyDifferences }: ShownSubject): QueryValues {
  return { name, feed, before, only: isOnlyDifferences ? "differences" : undefined };
}

/** The versions of the chosen feed, or of all, the oldest first. */
function chosenFeeds(all: readonly FeedInfo[], feed: string | undefined): readonly FeedInfo[] {
  return groupFeeds(all)
    .filter(({ name }) => feed === undefined || name === feed)
    .flatMap(({ versions }) => versions.filter(({ status }) => status !== "retiring"));
}

function publishedOf({ info, events }: Publication) {
  return { feed: info.feed, events };
}

function nameOf({ info }: Publication): string {
  return versionName(info);
}

/** Versions that publish nothing about the subject, and those that cannot be read. */
function OtherVersions({ publications }: { readonly publications: readonly Publication[] }) {
  const silent = publications.filter(
    ({ events, error, isIncomplete }) => events.length === 0 && error === null && !isIncomplete,
  );
  const incomplete = publications.filter(({ isIncomplete }) => isIncomplete);
  return (
    <>
      {publications.map(
        ({ info, error }) =>
          error !== null && (
            <section key={versionName(info)} aria-label={versionName(info)}>
              <h3>{versionName(info)} cannot be read</h3>
              <Problem error={error} />
            </section>
          ),
      )}
      {incomplete.length > 0 && (
        <p class="warning">
          Some events are missing here, because there are too many: {incomplete.map(nameOf).join(", ")}
        </p>
      )}
      {silent.length > 0 && <p class="muted">Without events here: {silent.map(nameOf).join(", ")}</p>}
    </>
  );
}

interface AlignedEventsProps {
  readonly page: SubjectPage;
  readonly shown: ShownSubject;
}

function AlignedEvents({ page, shown }: AlignedEventsProps) {
  const { router, commands } = useConsole();
  const { name, feed, before, isOnlyDifferences } = shown;
  const href = (change: Partial<ShownSubject>) => router.href("subject", queryOf({ ...shown, ...change }));
  const published = page.publications.filter(({ events }) => events.length > 0);
  const sources: KildeEvent[] = [...(page.stream ?? []), ...page.others];
  const rows = alignEvents(sources, published.map(publishedOf));
  const [left, right] = published.slice(-2);
  const versions = published.map(({ info }) => versionName(info));
  return (
    <section aria-labelledby="events">
      <h2 id="events">Events, the latest first</h2>
      {rows.some(differs) && (
        <p>
          <button
            type="button"
            aria-pressed={isOnlyDifferences}
            onClick={() => router.go(href({ isOnlyDifferences: !isOnlyDifferences }))}
          >
            Only differences
          </button>
        </p>
      )}
      {rows.length === 0 && (
        <EmptyState title="Nothing is known about this subject" command={commands.append(name)}>
          There is no stream of this name, and no feed that you may read publishes anything about it.
        </EmptyState>
      )}
      <ol class="timeline">
        {rows
          .filter((row) => !isOnlyDifferences || differs(row))
          .map((row) => (
            <AlignedRowItem
              key={row.origin}
              row={row}
              name={name}
              versions={versions}
              readsStream={page.stream !== null}
            />
          ))}
      </ol>
      <OtherVersions publications={page.publications} />
      {feed !== undefined && left !== undefined && right !== undefined && (
        <Command command={commands.diffFeed(feed, left.info.version, right.info.version, name)} />
      )}
      <p class="actions">
        {before !== undefined && <a href={href({ before: undefined })}>Latest events</a>}
        {page.hasEarlier && page.first !== null && <a href={href({ before: page.first })}>Earlier events</a>}
      </p>
    </section>
  );
}

function Readers({ page, name }: { readonly page: SubjectPage; readonly name: string }) {
  const { stream, publications } = page;
  return (
    <section aria-labelledby="readers">
      <h2 id="readers">Readers</h2>
      <div class="cards">
        {publications
          .filter(({ events }) => events.length > 0)
          .map(({ info, events }) => (
            <SubjectReaders key={versionName(info)} feed={versionName(info)} name={name} events={events} />
          ))}
        {stream !== null && stream.length > 0 && (
          <SubjectReaders feed={undefined} name={name} events={stream} />
        )}
      </div>
    </section>
  );
}

function Subject({ shown }: { readonly shown: ShownSubject }) {
  const { client, router } = useConsole();
  const { name, feed, before } = shown;
  const known = useMemo(() => new Set<string>(), [name]);
  const { value, error, reload } = useResource(
    `${name}\n${feed ?? ""}\n${before ?? ""}`,
    async (signal) => {
      const feeds = chosenFeeds(await client.feeds.list(signal), feed);
      return readSubjectPage(client, feeds, { name, before }, { known, signal });
    },
    [EVENTS_TOPIC, FEEDS_TOPIC],
    { restMs: REST_MS },
  );
  return (
    <>
      <p class="actions">
        <a href={router.href("stream", { name })}>Its stream</a>
        {feed !== undefined && <a href={router.href("subject", { name })}>In all feeds</a>}
      </p>
      <LoadState value={value} error={error} reload={reload} />
      {value !== undefined && (
        <>
          {before === undefined && <Readers page={value} name={name} />}
          <AlignedEvents page={value} shown={shown} />
        </>
      )}
    </>
  );
}

/** The versions whose latest subjects are offered: the latest one of the chosen feed. */
function Offer({ feed }: { readonly feed: string | undefined }) {
  const { client, session } = useConsole();
  const readsEvents = session.may("read:/events").value;
  const { value } = useResource("offered", (signal) => client.feeds.list(signal));
  const latest = value?.findLast((each) => feed === undefined || each.feed === feed);
  if (feed === undefined && readsEvents) return <RecentSubjects version={undefined} feed={undefined} />;
  return latest === undefined ? null : <RecentSubjects version={versionName(latest)} feed={feed} />;
}

/** Shows one entity: its stream next to what each version of each feed published about it, and how far its readers are. */
export function SubjectView({ query }: ViewProps) {
  const shown = shownSubject(query);
  const { name, feed } = shown;
  return (
    <>
      <h1>
        Subject <bdi>{name}</bdi>
      </h1>
      <SubjectField name={name} feed={feed} />
      {name === "" ? <Offer feed={feed} /> : <Subject shown={shown} />}
    </>
  );
}
