import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { serve } from "../cli/support.ts";
import { jsonPost, type WireEvent } from "../support/app.ts";
import { examineAt } from "./servers.ts";

const ROUNDS = 12;
const STREAMS = 200;
const BATCHES = 60;
const BATCH = 500;
const TIMEOUT_MS = 300_000;

const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const events = { Added: z.object({ n: z.int() }) };
const sums = defineFeed({
  name: "sums", version: 1, events,
  contract: { Summed: z.object({ n: z.int(), sum: z.int() }) },
  state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
  publish: { Added: ({ data }, { sum }) => ({ type: "Summed", data: { n: data.n, sum } }) },
});
const copies = defineFeed({
  name: "copies", version: 1, source: { feed: "sums", version: 1 },
  events: { Summed: z.object({ n: z.int(), sum: z.int() }) },
  contract: { Copied: z.object({ sum: z.int() }) },
  publish: { Summed: ({ data }) => ({ type: "Copied", data: { sum: data.sum } }) },
});
export default defineConfig({ accessLog: false, feeds: [sums, copies] });
`;

async function all(url: string, path: string): Promise<WireEvent[]> {
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

async function live(url: string, feed: string): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const state = (await (await fetch(`${url}/feeds/${feed}/v1/status`)).json()) as {
      status: string;
      lag: { events: number };
    };
    if (state.status === "live" && state.lag.events === 0) return;
    await Bun.sleep(100);
  }
  throw new Error(`${feed} did not become live`);
}

test(
  "kill -9 while feeds are built and projected repeats and skips nothing",
  async () => {
    const cwd = mkdtempSync(join(tmpdir(), "kilde-slow-"));
    const databaseUrl = `file:${join(cwd, "kilde.db")}`;
    writeFileSync(join(cwd, "kilde.config.ts"), CONFIG);
    const environment = { KILDE_DATABASE_URL: databaseUrl };
    let halfway = 0;
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        const server = await serve(cwd, [], { environment });
        for (let batch = 0; batch < BATCHES / ROUNDS; batch += 1) {
          const stream = (round * 7 + batch) % STREAMS;
          const appends = Array.from({ length: 10 }, (_, n) => ({
            stream: `s-${(stream + n * 13) % STREAMS}`,
            events: Array.from({ length: BATCH / 10 }, () => ({ type: "Added", data: { n: batch + 1 } })),
          }));
          const response = await fetch(`${server.url}/transactions`, jsonPost({ appends }));
          expect(response.status).toBe(201);
        }
        const subject = await fetch(`${server.url}/feeds/copies/v1/subjects/s-${round}`);
        expect([200, 404]).toContain(subject.status);
        const state = (await (await fetch(`${server.url}/feeds/copies/v1/status`)).json()) as {
          lag: { events: number };
        };
        if (state.lag.events > 0) halfway += 1;
        await Bun.sleep(Math.random() * 60);
        await server.stop("SIGKILL");
      }
      const server = await serve(cwd, [], { environment });
      await live(server.url, "sums");
      await live(server.url, "copies");
      const sums = new Map<string, number>();
      const expected = new Map<string, number[]>();
      const source = await all(server.url, "/events");
      for (const { subject, data } of source) {
        const sum = (sums.get(subject) ?? 0) + (data as { n: number }).n;
        sums.set(subject, sum);
        expected.set(subject, [...(expected.get(subject) ?? []), sum]);
      }
      expect(source).toHaveLength(BATCHES * BATCH);
      for (const feed of ["sums", "copies"]) {
        const told = new Map<string, number[]>();
        const events = await all(server.url, `/feeds/${feed}/v1`);
        for (const { subject, data, sequence } of events) {
          const before = told.get(subject) ?? [];
          expect(Number(sequence)).toBe(before.length + 1);
          told.set(subject, [...before, (data as { sum: number }).sum]);
        }
        expect(told).toEqual(expected);
        expect(events.map(({ id }) => Number(id))).toEqual(events.map((_, index) => index + 1));
      }
      // Or nothing was going on when it was killed.
      expect(halfway).toBeGreaterThan(0);
      const { exitCode } = await server.stop();
      expect(exitCode).toBe(0);
      expect(await examineAt(databaseUrl)).toEqual([]);
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);
