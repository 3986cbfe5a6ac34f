import { expect } from "bun:test";

import type { Feed } from "../../../src/feeds/feed.ts";
import { type RegisteredFeed, registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import { EVENT_LOG_ADDRESS } from "../../../src/log/keys.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { openApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { type Action, nodeOn, NODES, perform, program, rebuild, slowReads } from "../feed-actions.ts";
import {
  allEvents,
  bySubject,
  checkReports,
  erasedIn,
  folded,
  isOfErasure,
  published,
  shortForm,
  sourceOf,
  statesOf,
} from "../feed-contents.ts";

/*
 * Random work on feeds: appends, erasures, projectors of two processes that race, crash between any two writes and
 * lose their leases, and hydrations at any moment. Afterwards each feed must have the content of one uninterrupted run.
 */

export interface Scenario {
  readonly feeds: readonly Feed[];
  readonly mayErase: boolean;
}

/**
 * What an erasure left of a re-keyed feed with a state is published again at its head: a feed of it that gathers several
 * of its subjects depends on when that was.
 */
export function isOfRevised({ feed, upstream }: RegisteredFeed): boolean {
  return feed.rekeyed && upstream !== null && upstream.tracked;
}

/** The same feed under another name, to be built from the start and undisturbed. */
export function renamed(registered: RegisteredFeed): Feed {
  const { feed } = registered;
  const again = (path: string) => path.replace("/feeds/", "/feeds/again-");
  const log = isOfRevised(registered) ? feed.source.log : again(feed.source.log);
  return { ...feed, name: `again-${feed.name}`, path: again(feed.path), source: { ...feed.source, log } };
}

/** Does the work on a new database, lets it come to rest, and checks the contents of the feeds. */
export async function checkProjections(
  { feeds, mayErase }: Scenario,
  work: readonly Action[],
  turns: () => number,
): Promise<void> {
  const plain = await newDatabase();
  const database = slowReads(plain, turns);
  const app = await openApp({ database: plain });
  try {
    const registered = await registerFeeds(plain, systemClock, feeds);
    const { writer } = app.store;
    const nodes = Array.from({ length: NODES }, () => nodeOn(writer, database, registered, turns));
    program.broken = false;
    const world = { app, database, nodes, feeds: registered, mayErase };
    for (const action of work) await perform(world, action);
    await Promise.all(nodes.map((node) => node.settle()));
    program.broken = false;

    await (await openProjection({ database: plain, writer }, feeds)).drain(3);
    const both = [...feeds, ...registered.map(renamed)];
    await (await openProjection({ database: plain, writer }, both)).drain();
    const again = (await registerFeeds(plain, systemClock, both)).slice(feeds.length);
    expect(await examine(plain)).toEqual([]);
    const there = new Set((await allEvents(plain, { log: EVENT_LOG_ADDRESS })).map(({ id }) => id));
    for (const [index, one] of registered.entries()) {
      const events = await allEvents(plain, one);
      const rebuilt = again[index];
      if (rebuilt === undefined) throw new Error("it was not rebuilt");
      const source = await sourceOf(plain, one);
      checkReports(events);
      // No erased data is left.
      for (const event of events)
        if (!isOfErasure(event)) expect(there).toContain(String(event["projectedfrom"]));
      expect(shortForm(events)).toEqual(folded(one.feed, source));
      const later = await allEvents(plain, rebuilt);
      const erased = new Set([...erasedIn(events), ...erasedIn(later)]);
      expect(published(events, erased)).toEqual(published(later, erased));
      expect(await statesOf(plain, one)).toEqual(await statesOf(plain, rebuilt));
    }
    const before = await Promise.all(registered.map((one) => allEvents(plain, one)));
    const states = await Promise.all(registered.map((one) => statesOf(plain, one)));
    for (const one of registered) {
      if (one.upstream === null) await rebuild(plain, writer, one, [...registered, ...again]);
    }
    await (await openProjection({ database: plain, writer }, both)).drain(3);
    for (const [index, one] of registered.entries()) {
      const after = await allEvents(plain, one);
      expect(shortForm(after)).toEqual(folded(one.feed, await sourceOf(plain, one)));
      // The order of events of several subjects is the source's, which may have changed.
      if (isOfRevised(one)) continue;
      expect(bySubject(after)).toEqual(bySubject(before[index] ?? []));
      expect(await statesOf(plain, one)).toEqual(states[index]);
    }
    expect(await examine(plain)).toEqual([]);
  } finally {
    await app.close();
  }
}
