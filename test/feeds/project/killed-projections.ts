import { expect } from "bun:test";

import { jsonPost, type WireEvent } from "../../support/app.ts";

const STREAMS = 200;
const STREAMS_OF_BATCH = 10;

/**
 * Sums of each stream, and copies of those sums: a feed with state, and a feed of a feed. The contract of the newer release has a member
 * that both publish.
 */
function configOf(release: "older" | "newer"): string {
  return `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const events = { Added: z.object({ n: z.int() }) };
const sums = defineFeed({
  name: "sums", version: 1, events,
  contract: { Summed: z.looseObject({ n: z.int(), sum: z.int()${release === "newer" ? ", twice: z.int()" : ""} }) },
  state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
  publish: { Added: ({ data }, { sum }) => ({ type: "Summed", data: { n: data.n, sum, twice: sum * 2 } }) },
});
const copies = defineFeed({
  name: "copies", version: 1, source: { feed: "sums", version: 1 },
  events: { Summed: z.object({ n: z.int(), sum: z.int() }) },
  contract: { Copied: z.object({ sum: z.int() }) },
  publish: { Summed: ({ data }) => ({ type: "Copied", data: { sum: data.sum } }) },
});
export default defineConfig({ accessLog: false, feeds: [sums, copies] });
`;
}

export const CONFIG = configOf("older");
export const NEWER_CONFIG = configOf("newer");

export async function all(url: string, path: string): Promise<WireEvent[]> {
  const events: WireEvent[] = [];
  for (;;) {
    const after = events.at(-1)?.id ?? "0";
    const page = (await (
      await fetch(`${url}${path}?limit=10000&lastEventId=${after}`)
    ).json()) as WireEvent[];
    if (page.length === 0) return events;
    events.push(...page);
  }
}

export async function live(url: string, feed: string, version = 1): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const state = (await (await fetch(`${url}/feeds/${feed}/v${version}/status`)).json()) as {
      status: string;
      lag: { events: number };
    };
    if (state.status === "live" && state.lag.events === 0) return;
    await Bun.sleep(100);
  }
  throw new Error(`${feed} did not become live`);
}

/** Appends events to ten streams, which the number chooses; false when there was no answer. */
export async function appendBatch(url: string, number: number, events: number): Promise<boolean> {
  const appends = Array.from({ length: STREAMS_OF_BATCH }, (_, n) => ({
    stream: `s-${(number * 7 + n * 13) % STREAMS}`,
    events: Array.from({ length: events / STREAMS_OF_BATCH }, () => ({
      type: "Added",
      data: { n: (number % 5) + 1 },
    })),
  }));
  const response = await fetch(`${url}/transactions`, jsonPost({ appends })).catch(() => null);
  if (response === null) return false;
  expect(response.status).toBe(201);
  return true;
}

/** Both feeds come to rest, and contain the sums of each stream: no event twice, none left out. */
export async function expectSums(url: string): Promise<number> {
  await live(url, "sums");
  await live(url, "copies");
  const sums = new Map<string, number>();
  const expected = new Map<string, number[]>();
  const source = await all(url, "/events");
  for (const { subject, data } of source) {
    const sum = (sums.get(subject) ?? 0) + (data as { n: number }).n;
    sums.set(subject, sum);
    const before = expected.get(subject);
    if (before === undefined) expected.set(subject, [sum]);
    else before.push(sum);
  }
  for (const feed of ["sums", "copies"]) {
    const published = new Map<string, number[]>();
    const events = await all(url, `/feeds/${feed}/v1`);
    for (const { subject, data, sequence } of events) {
      const before = published.get(subject) ?? [];
      published.set(subject, before);
      before.push((data as { sum: number }).sum);
      expect(Number(sequence)).toBe(before.length);
    }
    expect(published).toEqual(expected);
    expect(events.map(({ id }) => Number(id))).toEqual(events.map((_, index) => index + 1));
  }
  return source.length;
}
