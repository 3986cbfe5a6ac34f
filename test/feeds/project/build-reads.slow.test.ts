import { afterAll, expect, test } from "bun:test";

import { quantile } from "../../bench/sample.ts";
import { cleanUp, emptyFolder, serve } from "../../cli/support.ts";
import { jsonPost } from "../../support/app.ts";
import { filled } from "./filled-log.ts";

cleanUp();

/*
 * The cost of reads of subjects for a build, and for appends beside it. Windows with and without requests take turns in one
 * build, so that the machine's load touches both.
 */

const STREAMS = 50_000;
const VERSIONS = 40;
const ROUNDS = 5;
const WINDOW_MS = 1_500;
const READERS = 4;

function configOf(subject: string): string {
  return `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
export default defineConfig({ accessLog: false, feeds: [defineFeed({
  name: "sums", version: 1,
  events: { Added: z.object({ n: z.int() }) },
  contract: { Summed: z.object({ sum: z.int() }) },
  ${subject}
  state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
  publish: { Added: (_event, { sum }) => ({ type: "Summed", data: { sum } }) },
})] });
`;
}

const results: string[] = [];
afterAll(() => console.log(results.join("\n")));

const median = (values: readonly number[]) =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

/** Runs loops of requests for as long as a window lasts. */
async function during(loops: readonly (() => Promise<void>)[], window: () => Promise<void>): Promise<void> {
  let done = false;
  const running = loops.map(async (loop) => {
    while (!done) await loop();
  });
  await window();
  done = true;
  await Promise.all(running);
}

async function opened(subject: string) {
  const folder = emptyFolder();
  await filled(folder, { streams: STREAMS, versions: VERSIONS, config: configOf(subject) });
  const { url } = await serve(folder, ["--database-url", "file:kilde.db"]);
  const status = async () => {
    const response = await fetch(`${url}/feeds/sums/v1/status`);
    return (await response.json()) as { readonly status: string; readonly cursor: number };
  };
  const append = async () => {
    const event = { type: "Added", data: { n: 1 } };
    const response = await fetch(`${url}/streams/s-${STREAMS + 1}`, jsonPost({ events: [event] }));
    expect(response.status).toBe(201);
    await response.arrayBuffer();
  };
  let chosen = 0;
  /** Reads a subject, existing ones in turn; gives how the request was answered. */
  const read = async (prefix = "s-") => {
    chosen = (chosen + 7_919) % STREAMS;
    const response = await fetch(`${url}/feeds/sums/v1/subjects/${prefix}${chosen + 1}`);
    await response.arrayBuffer();
    return response.status;
  };
  return { status, append, read };
}

test("a build keeps at least half of its rate while subjects are read, and the reads are answered", async () => {
  const { status, append, read } = await opened("");
  const rateDuring = async (loops: readonly (() => Promise<void>)[]): Promise<number> => {
    let rate = 0;
    await during(loops, async () => {
      const [before, started] = [(await status()).cursor, performance.now()];
      await Bun.sleep(WINDOW_MS);
      const after = await status();
      expect(after.status).toBe("building");
      rate = ((after.cursor - before) * 1_000) / (performance.now() - started);
    });
    return rate;
  };
  let answered = 0;
  const readOne = async () => {
    expect(await read()).toBe(200);
    answered += 1;
  };
  const ways = {
    "nobody reads": [],
    "one appends, then reads": [
      async () => {
        await append();
        await readOne();
      },
    ],
    "several read": Array.from({ length: READERS }, () => readOne),
  };
  const rates = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [way, loops] of Object.entries(ways))
      rates.set(way, [...(rates.get(way) ?? []), await rateDuring(loops)]);
  }
  const undisturbed = rates.get("nobody reads") ?? [];
  for (const [way, each] of rates) {
    const ratio = median(each.map((rate, round) => rate / (undisturbed[round] ?? 1)));
    results.push(
      `building while ${way}: ${median(each).toFixed(0)} events a second, ratio ${ratio.toFixed(2)}`,
    );
    expect(each.every((rate) => rate > 0)).toBe(true);
    expect(ratio).toBeGreaterThanOrEqual(0.5);
  }
  results.push(`${answered} reads were answered`);
  expect(answered).toBeGreaterThan(ROUNDS * READERS);
}, 300_000);

test("requests for subjects of a re-keyed feed that is built do not delay appends", async () => {
  const { status, append, read } = await opened("subject: ({ subject }) => `k-${subject}`,");
  const p99During = async (loops: readonly (() => Promise<void>)[]): Promise<number> => {
    const latencies: number[] = [];
    await during(loops, async () => {
      for (const end = performance.now() + 2 * WINDOW_MS; performance.now() < end;) {
        const started = performance.now();
        await append();
        latencies.push(performance.now() - started);
        await Bun.sleep(2);
      }
    });
    return quantile(
      latencies.toSorted((a, b) => a - b),
      0.99,
    );
  };
  const refused = { existing: 0, invented: 0 };
  const asking = (name: keyof typeof refused, prefix: string) => async () => {
    const answer = await read(prefix);
    expect([200, 404, 503]).toContain(answer);
    if (answer === 503) refused[name] += 1;
    await Bun.sleep(20);
  };
  const loops = [asking("existing", "k-s-"), asking("invented", "nobody-")];
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [without, beside] = [await p99During([]), await p99During(loops)];
    results.push(`p99 of appends: ${without.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside requests`);
    ratios.push(beside / without);
  }
  expect((await status()).status).toBe("building");
  results.push(`median ratio ${median(ratios).toFixed(2)}, refused: ${JSON.stringify(refused)}`);
  expect(refused.existing).toBeGreaterThan(0);
  expect(refused.invented).toBeGreaterThan(0);
  // Less than 1.2 on an idle machine; a busy one changes as much alone.
  expect(median(ratios)).toBeLessThan(1.6);
}, 300_000);
