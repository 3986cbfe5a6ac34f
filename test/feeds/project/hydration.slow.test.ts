import { afterAll, expect, test } from "bun:test";
import { residentMb } from "../../bench/cpu.ts";
import { cleanUp, emptyFolder, serve } from "../../cli/support.ts";
import { jsonPost, type WireEvent } from "../../support/app.ts";
import { filled } from "./filled-log.ts";

cleanUp();

const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
export default defineConfig({ accessLog: false, feeds: [defineFeed({
  name: "sums", version: 1,
  events: { Added: z.object({ n: z.int() }) },
  contract: { Summed: z.object({ sum: z.int() }) },
  state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
  publish: { Added: (_event, { sum }) => ({ type: "Summed", data: { sum } }) },
})] });
`;

interface Status {
  readonly status: string;
  readonly cursor: number;
}

const results: string[] = [];
afterAll(() => console.log(results.join("\n")));

test("a subject is there at once while a million events are still to be projected", async () => {
  const folder = emptyFolder();
  const versions = 20;
  await filled(folder, { streams: 50_000, versions, config: CONFIG });
  const { url } = await serve(folder, ["--database-url", "file:kilde.db"]);
  const status = async () => (await (await fetch(`${url}/feeds/sums/v1/status`)).json()) as Status;
  const tookMs: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    const started = performance.now();
    const response = await fetch(`${url}/feeds/sums/v1/subjects/s-${50_000 - n * 7}`);
    const events = (await response.json()) as WireEvent[];
    tookMs.push(performance.now() - started);
    expect(events.map(({ data }) => (data as { sum: number }).sum)).toEqual(
      Array.from({ length: versions }, (_, version) => version + 1),
    );
    // The build has not come to them, so that they were projected for this request.
    expect(await status()).toMatchObject({ status: "building" });
  }
  tookMs.sort((a, b) => a - b);
  results.push(`hydrating ${versions} events of a million: median ${tookMs[10]?.toFixed(1)} ms`);
  for (let tries = 0; (await status()).status !== "live"; tries += 1) {
    if (tries > 1_200) throw new Error("it did not become live");
    await Bun.sleep(100);
  }
  const again = (await (await fetch(`${url}/feeds/sums/v1/subjects/s-50000`)).json()) as WireEvent[];
  expect(again).toHaveLength(versions);
}, 240_000);

test("a subject of half a million events is projected without holding it in memory, or delaying others", async () => {
  const folder = emptyFolder();
  const versions = 500_000;
  await filled(folder, { streams: 1, versions, config: CONFIG });
  const { url, pid } = await serve(folder, ["--database-url", "file:kilde.db"]);
  const before = residentMb(pid) ?? 0;
  let most = before;
  const started = performance.now();
  const hydrated = fetch(`${url}/feeds/sums/v1/subjects/s-1?direction=backwards&limit=1`);
  let longestMs = 0;
  let done = false;
  const appending = (async () => {
    while (!done) {
      const sent = performance.now();
      const response = await fetch(
        `${url}/streams/other`,
        jsonPost({ events: [{ type: "Added", data: { n: 1 } }] }),
      );
      expect(response.status).toBe(201);
      longestMs = Math.max(longestMs, performance.now() - sent);
      most = Math.max(most, residentMb(pid) ?? 0);
      await Bun.sleep(20);
    }
  })();
  const [last] = (await (await hydrated).json()) as WireEvent[];
  done = true;
  await appending;
  expect(last?.data).toEqual({ sum: versions });
  expect(Number(last?.sequence)).toBe(versions);
  // Held whole, its events and the events published for them would take several times as much.
  expect(most - before).toBeLessThan(250);
  results.push(`memory grew by ${(most - before).toFixed(0)} MB`);
  results.push(
    `hydrating ${versions} events: ${((performance.now() - started) / 1_000).toFixed(1)} s; the longest append took ${longestMs.toFixed(0)} ms`,
  );
}, 240_000);
