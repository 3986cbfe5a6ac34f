import { afterEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";

import { cleanUp, emptyFolder, type Served } from "../cli/support.ts";
import { jsonPost } from "../support/app.ts";
import { buildBinary } from "../support/built-binary.ts";
import { type Chance, ROUNDS, SEED, seededChance } from "../support/fuzz/chance.ts";
import { peakMemoryMiB, serveFuzzed } from "../support/fuzz/fuzzed-server.ts";
import { hostileText, mutated } from "../support/fuzz/hostile-text.ts";

cleanUp();
const { program } = buildBinary();

const SUBSCRIPTIONS = 6;
const EVENTS_PER_ROUND = 60;
/** How long endpoints answer at random before they recover. */
const HOSTILE_MS = 4_000;
const HEALING_MS = 60_000;
const MOST_MEMORY_MIB = 512;

const endpoints = new Set<Server>();
afterEach(() => {
  for (const endpoint of endpoints) endpoint.close();
  endpoints.clear();
});

/** An endpoint's answer: random statuses, headers and bodies, at times not HTTP at all. */
function randomAnswer(chance: Chance): Buffer | "silence" | "reset" {
  if (chance.happens(0.03)) return "silence";
  if (chance.happens(0.05)) return "reset";
  const status = chance.pick([200, 204, 200, 301, 400, 404, 409, 429, 500, 502, 503, 504, 599, 999, 0]);
  const retryAfter = chance.pick([
    "1",
    "-1",
    "1e9",
    "99999999999999",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    hostileText(chance),
  ]);
  const lines = [`HTTP/1.1 ${status} ${chance.happens(0.9) ? "X" : hostileText(chance)}`];
  if (chance.happens(0.3)) lines.push(`Retry-After: ${retryAfter}`);
  if (chance.happens(0.2)) lines.push(`Location: http://169.254.169.254/`);
  if (chance.happens(0.2)) lines.push(`Content-Encoding: gzip`);
  const body = chance.happens(0.3) ? hostileText(chance) : "";
  lines.push(
    chance.happens(0.9)
      ? `Content-Length: ${Buffer.byteLength(body)}`
      : `Content-Length: ${chance.pick(["-1", "x", "99999999999"])}`,
  );
  const text = `${lines.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`;
  return chance.happens(0.1) ? mutated(chance, text) : Buffer.from(text);
}

interface Endpoint {
  readonly url: string;
  /** From now on it acknowledges every delivery. */
  heal(): void;
  /** Positions that it has acknowledged. */
  readonly taken: ReadonlySet<number>;
}

function positionsIn(request: string): number[] {
  return [...request.matchAll(/"id":"(\d+)"/g)].map((match) => Number(match[1]));
}

async function openEndpoint(chance: Chance): Promise<Endpoint> {
  let well = false;
  const taken = new Set<number>();
  const server = createServer((socket) => {
    let request = "";
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      request += chunk.toString("latin1");
      const split = request.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(request)?.[1] ?? 0);
      if (split === -1 || request.length < split + 4 + length) return;
      if (well) {
        for (const position of positionsIn(request)) taken.add(position);
        socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        return;
      }
      const answer = randomAnswer(chance);
      if (answer === "silence") return;
      if (answer === "reset") {
        socket.resetAndDestroy();
        return;
      }
      if (/^HTTP\/1\.1 2\d\d /.test(answer.toString("latin1"))) {
        for (const position of positionsIn(request)) taken.add(position);
      }
      socket.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoints.add(server);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the endpoint has no port");
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    heal() {
      well = true;
    },
    taken,
  };
}

async function subscribe(server: Served, endpoint: Endpoint, chance: Chance): Promise<string> {
  const body = {
    source: "/events",
    url: endpoint.url,
    start: "beginning",
    mode: chance.pick(["single", "batch"]),
  };
  const response = await fetch(`${server.url}/subscriptions`, jsonPost(body));
  expect(response.status).toBe(201);
  return ((await response.json()) as { subscription: string }).subscription;
}

test(
  "endpoints that answer at random: nothing is lost once they recover",
  async () => {
    console.log(`KILDE_FUZZ_SEED=${SEED}`);
    const server = await serveFuzzed(emptyFolder(), program);
    let position = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const chance = seededChance(SEED + round);
      const subscribed = await Promise.all(
        Array.from({ length: SUBSCRIPTIONS }, async () => {
          const endpoint = await openEndpoint(chance);
          return { endpoint, id: await subscribe(server, endpoint, chance) };
        }),
      );
      for (let n = 0; n < EVENTS_PER_ROUND; n += 1) {
        const stream = `w-${chance.below(12)}`;
        const response = await fetch(
          `${server.url}/streams/${stream}`,
          jsonPost({ events: [{ type: "Noted", data: n }] }),
        );
        ({ position } = (await response.json()) as { position: number });
      }
      await Bun.sleep(HOSTILE_MS);
      for (const { endpoint } of subscribed) endpoint.heal();
      const until = Date.now() + HEALING_MS;
      const lacking = () => subscribed.filter(({ endpoint }) => endpoint.taken.size < position);
      while (lacking().length > 0 && Date.now() < until) {
        // An operator's actions once the endpoint has recovered.
        await Promise.all(
          lacking().map(({ id }) => fetch(`${server.url}/subscriptions/${id}/resume`, { method: "POST" })),
        );
        await Bun.sleep(1_000);
      }
      const shown = await Promise.all(
        lacking().map(async ({ id, endpoint }) => ({
          taken: endpoint.taken.size,
          of: position,
          subscription: await (await fetch(`${server.url}/subscriptions/${id}`)).json(),
        })),
      );
      expect(shown).toEqual([]);
      for (const { id } of subscribed) await fetch(`${server.url}/subscriptions/${id}`, { method: "DELETE" });
      expect(await server.kilde(["doctor"])).toMatchObject({ exitCode: 0 });
      expect(peakMemoryMiB(server.pid) ?? 0).toBeLessThan(MOST_MEMORY_MIB);
    }
    expect((await server.stop()).exitCode).toBe(0);
  },
  ROUNDS * 180_000,
);
