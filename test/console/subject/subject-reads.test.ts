import { afterEach, beforeEach, expect, test } from "bun:test";

import { createClient } from "../../../src/client/client.ts";
import { alignEvents } from "../../../src/console/subject/alignment.ts";
import {
  MOST_EVENTS,
  readSubjectPage,
  STEP,
  type SubjectPage,
} from "../../../src/console/subject/subject-reads.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { createTestKey } from "../../support/keys.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";

const FEEDS = [
  sketch({ name: "users", version: 1 }),
  sketch({
    name: "users",
    version: 2,
    project: ({ type, data }) => ({
      events: type === "B" ? [] : [{ type: `Public${type}`, data: JSON.stringify({ value: data }) }],
    }),
  }),
  // Publishes as many events as the data of a source event states.
  sketch({
    name: "details",
    project: ({ data }) => ({
      events: Array.from({ length: typeof data === "number" ? data : 0 }, (_, index) => ({
        type: "PublicDetail",
        data: String(index),
      })),
    }),
  }),
  // Publishes by city: its subjects are not the streams.
  sketch({ name: "cities", subject: ({ data }) => (typeof data === "string" ? data : null) }),
];

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: FEEDS });
});
afterEach(() => app.close());

async function drain(): Promise<void> {
  await (await openProjection({ database, writer: app.store.writer }, FEEDS)).drain();
}

const { signal } = new AbortController();

async function readPage(
  name: string,
  before?: number,
  fetch: TestApp["fetch"] = app.fetch,
): Promise<SubjectPage> {
  const url = "http://kilde.test";
  const client = createClient({ url, fetch: (full, init) => fetch(full.slice(url.length), init) });
  return readSubjectPage(client, await client.feeds.list(), { name, before }, { known: new Set(), signal });
}

/** The rows of a page: type of the event, and the types that each version with events published of it. */
function rowsOf({ stream, others, publications }: SubjectPage): string[] {
  const published = publications.filter(({ events }) => events.length > 0);
  return alignEvents(
    [...(stream ?? []), ...others],
    published.map(({ info, events }) => ({ feed: info.feed, events })),
  ).map(
    ({ source, cells }) =>
      `${source?.type ?? "?"}: ${cells.map(({ events }) => events.map(({ event }) => event.type).join()).join(" | ")}`,
  );
}

test("subject: each event of the stream stands next to the publications of each version", async () => {
  await app.append("user-1", { type: "A", data: "Aarhus" }, { type: "B", data: "Odense" });
  await drain();
  const page = await readPage("user-1");
  expect(rowsOf(page)).toEqual(["B: PublicB | ", "A: PublicA | PublicA"]);
  expect(page.publications.map(({ info, error }) => [info.feed, info.version, error])).toEqual([
    ["cities", 1, null],
    ["details", 1, null],
    ["users", 1, null],
    ["users", 2, null],
  ]);
  expect([page.hasEarlier, page.first]).toEqual([false, 1]);
});

test("subject: earlier pages continue before the first event, without a gap or a repeat", async () => {
  const types = Array.from({ length: 2 * STEP + 3 }, (_, index) => ({
    type: index % 2 ? "A" : "B",
    data: "x",
  }));
  await app.append("user-1", ...types);
  await drain();
  const rows: string[] = [];
  let before: number | undefined;
  for (;;) {
    const page = await readPage("user-1", before);
    rows.push(...rowsOf(page));
    if (!page.hasEarlier) break;
    before = page.first ?? undefined;
  }
  expect(rows).toEqual(
    types.toReversed().map(({ type }) => (type === "A" ? "A: PublicA | PublicA" : "B: PublicB | ")),
  );
});

/** For each event of all pages, the number of its events in the feed `details`. */
async function detailsOfPages(name: string): Promise<number[][]> {
  const pages: number[][] = [];
  let before: number | undefined;
  for (;;) {
    const { stream, publications, hasEarlier, first } = await readPage(name, before);
    const details = publications.find(({ info }) => info.feed === "details")?.events ?? [];
    pages.push(
      (stream ?? []).map(
        ({ position }) => details.filter((event) => event.projectedFrom === position).length,
      ),
    );
    if (!hasEarlier) return pages;
    before = first ?? undefined;
  }
}

test("subject: a version with many events of each event ends the pages earlier, and none is missing", async () => {
  const count = MOST_EVENTS / 5;
  await app.append("user-1", ...Array.from({ length: 12 }, () => ({ type: "A", data: count })));
  await drain();
  const pages = await detailsOfPages("user-1");
  expect(pages.flat()).toEqual(Array.from({ length: 12 }, () => count));
  expect(pages.length).toBeGreaterThan(1);
});

test("subject: pages far behind the latest events have the events of each version as well", async () => {
  const events = Array.from({ length: 3 * STEP }, () => ({ type: "A", data: MOST_EVENTS / STEP }));
  await app.append("user-1", ...events);
  await drain();
  expect((await detailsOfPages("user-1")).flat()).toEqual(events.map(({ data }) => data));
});

test("subject: a version that published more of one event than a page has is marked as incomplete", async () => {
  await app.append("user-1", { type: "A", data: 1 }, { type: "A", data: MOST_EVENTS + 1 });
  await drain();
  const page = await readPage("user-1");
  const details = page.publications.find(({ info }) => info.feed === "details");
  expect([details?.events.length, details?.isIncomplete, page.hasEarlier]).toEqual([MOST_EVENTS, true, true]);
  const earlier = await readPage("user-1", page.first ?? 0);
  expect(rowsOf(earlier)).toEqual(["A: PublicDetail | PublicA | PublicA"]);
});

test("subject: of a feed that publishes under other names, the events come from other streams", async () => {
  await app.append("user-1", { type: "A", data: "Odense" });
  await app.append("user-2", { type: "B", data: "Odense" });
  await drain();
  const page = await readPage("Odense");
  expect(rowsOf(page)).toEqual(["B: PublicB", "A: PublicA"]);
  expect(page.others.map(({ subject }) => subject).toSorted()).toEqual(["user-1", "user-2"]);
  expect([page.stream, page.hasEarlier]).toEqual([[], false]);
});

test("subject: a long one without a stream of its name has pages as well", async () => {
  const events = Array.from({ length: STEP + 5 }, () => ({ type: "A", data: "Odense" }));
  await app.append("user-1", ...events);
  await drain();
  const page = await readPage("Odense");
  expect([rowsOf(page).length, page.hasEarlier]).toEqual([STEP, true]);
  const earlier = await readPage("Odense", page.first ?? 0);
  expect([rowsOf(earlier).length, earlier.hasEarlier]).toEqual([5, false]);
});

test("subject: a sender who may read only a feed sees only its publications", async () => {
  await app.append("user-1", { type: "A", data: null });
  await drain();
  const { fetch } = await createTestKey(app, ["read:/feeds/users/v1"]);
  const page = await readPage("user-1", undefined, fetch);
  expect([page.stream, page.others]).toEqual([null, []]);
  expect(rowsOf(page)).toEqual(["?: PublicA"]);
});

test("subject: an unknown name has nothing", async () => {
  await drain();
  expect(rowsOf(await readPage("nobody"))).toEqual([]);
});
