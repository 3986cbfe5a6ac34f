import { afterAll, beforeAll, expect, test } from "bun:test";

import { createClient, KildeUnreachableError } from "../../src/client/index.ts";
import { chanceOf } from "../support/chance.ts";
import { startServer, type ServerProcess } from "../support/process.ts";
import { startTcpProxy, type TcpProxy, type Weather } from "../support/tcp-proxy.ts";

const STREAMS = 8;
const APPENDS = 3_000;

let server: ServerProcess;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startServer(":memory:");
  proxy = await startTcpProxy(server.url);
}, 60_000);
afterAll(async () => {
  await proxy.stop();
  await server.kill("SIGKILL");
});

test("appends that share requests are stored once and in order, while connections break within them", async () => {
  const chance = chanceOf(22);
  const weathers: Weather[] = [
    { kind: "cutting", chance },
    { kind: "fine" },
    { kind: "slow", answerMs: 20 },
    { kind: "cutting", chance },
    { kind: "refusing" },
  ];
  let isDone = false;
  const changing = (async () => {
    for (let turn = 0; !isDone; turn += 1) {
      proxy.set(weathers[turn % weathers.length] ?? { kind: "fine" });
      await Bun.sleep(60);
    }
    proxy.set({ kind: "fine" });
  })();
  const retry = { attempts: 30, delayMs: 5, maxDelayMs: 40 };
  const client = createClient({ url: proxy.url, retry, timeouts: { answerMs: 2_000 } });
  const settled: (number | "unknown")[] = [];
  const waves = Array.from({ length: APPENDS }, async (_, n) => {
    await Bun.sleep(Math.floor(n / 40) * 10);
    const append = client.append(`s-${n % STREAMS}`, { type: "A", data: n });
    settled[n] = await append.then(
      ({ version }) => version,
      (error: unknown) => {
        expect(error).toBeInstanceOf(KildeUnreachableError);
        return "unknown" as const;
      },
    );
  });
  await Promise.all(waves);
  isDone = true;
  await changing;
  expect(settled.filter((version) => version !== "unknown").length).toBeGreaterThan(APPENDS / 2);
  const direct = createClient({ url: server.url });
  for (let stream = 0; stream < STREAMS; stream += 1) {
    const events = await Array.fromAsync(direct.read<number>({ stream: `s-${stream}` }));
    const numbers = events.map(({ data }) => data);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    const versions = new Map(events.map(({ data, version }) => [data, version]));
    for (const [n, version] of settled.entries())
      if (n % STREAMS === stream && version !== "unknown") expect(versions.get(n)).toBe(version);
  }
}, 120_000);
