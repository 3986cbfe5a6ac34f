import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { TEST_SECRET_KEY } from "../support/app.ts";
import { buildBinary } from "../support/built-binary.ts";

/*
 * The compiled program is killed again and again while it delivers to a real receiver that fails at random. Every event
 * must arrive, in order for each subject. Repeated events are counted, and printed.
 */

const EVENTS = 100_000;
const SUBJECTS = 5_000;
const KILLS = Number(process.env["KILDE_KILLS"] ?? 100);
const TIMEOUT_MS = 900_000;

const { program } = buildBinary();
const folder = mkdtempSync(join(tmpdir(), "kilde-deliveries-"));

const databaseUrl = `file:${join(folder, "kilde.db")}`;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Server {
  readonly url: string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

async function start(): Promise<Server> {
  const child = Bun.spawn([...program, "serve", "--port", "0", "--database-url", databaseUrl], {
    env: {
      ...process.env,
      KILDE_ACCESS_LOG: "false",
      KILDE_SECRET_KEYS: TEST_SECRET_KEY,
      KILDE_EGRESS_ALLOW: "127.0.0.1",
    },
    stdout: "ignore",
    stderr: "pipe",
  });
  let output = "";
  for await (const bytes of child.stderr) {
    output += new TextDecoder().decode(bytes);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
    if (url === undefined) continue;
    return {
      url,
      async kill(signal) {
        child.kill(signal);
        await child.exited;
      },
    };
  }
  throw new Error(`it did not start: ${output}`);
}

async function post<Body>(url: string, body: unknown): Promise<Body> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Body;
}

/** A receiver that rejects some events, answers late, and breaks off; it records the acknowledged ones. */
function startReceiver() {
  const last = new Map<string, number>();
  const counts = { taken: 0, repeated: 0, outOfOrder: 0, refused: 0 };
  const server = Bun.serve({
    port: 0,
    async fetch(request) {
      const event = (await request.json()) as { subject: string; sequence: string };
      const chance = Math.random();
      if (chance < 0.01) {
        counts.refused += 1;
        return new Response(null, { status: chance < 0.005 ? 500 : 400 });
      }
      if (chance < 0.05) await Bun.sleep(chance * 200);
      const [version, before] = [Number(event.sequence), last.get(event.subject) ?? 0];
      if (version <= before) counts.repeated += 1;
      else {
        if (version > before + 1) counts.outOfOrder += 1;
        counts.taken += 1;
        last.set(event.subject, version);
      }
      return new Response(null, { status: 204 });
    },
  });
  return { server, counts, url: `http://127.0.0.1:${server.port}/hook` };
}

test(
  "kill -9 while webhooks are delivered loses nothing and keeps the order",
  async () => {
    const receiver = startReceiver();
    let server = await start();
    const page = 1_000;
    for (let from = 0; from < EVENTS; from += page) {
      const appends = Array.from({ length: page / 5 }, (_, index) => ({
        stream: `s-${(from / 5 + index) % SUBJECTS}`,
        events: Array.from({ length: 5 }, (__, n) => ({ type: "Happened", data: { n } })),
      }));
      await post(`${server.url}/transactions`, { appends });
    }
    await post(`${server.url}/subscriptions`, {
      source: "/events",
      url: receiver.url,
      start: "beginning",
      concurrency: 16,
    });
    let kills = 0;
    while (kills < KILLS) {
      // While events are pending: it must be killed during deliveries.
      await Bun.sleep(20 + Math.random() * 180);
      await server.kill("SIGKILL");
      kills += 1;
      server = await start();
      if (receiver.counts.taken > EVENTS * 0.9) {
        await post(`${server.url}/streams/more`, {
          events: Array.from({ length: 500 }, () => ({ type: "Happened" })),
        });
      }
    }
    const { lag } = await untilDelivered(server.url);
    expect(lag.events).toBe(0);
    await server.kill("SIGTERM");
    await receiver.server.stop(true);

    const { taken, repeated, outOfOrder, refused } = receiver.counts;
    console.log(
      `${kills} kills, ${taken} events: ${repeated} came twice (${((repeated * 100) / taken).toFixed(2)} %), ${refused} were refused`,
    );
    expect(outOfOrder).toBe(0);
    expect(taken).toBeGreaterThanOrEqual(EVENTS);
    expect(refused).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

interface State {
  readonly subscriptions: readonly {
    readonly lag: { readonly events: number };
    readonly blocked: number;
    readonly cursor: number;
  }[];
}

async function untilDelivered(url: string) {
  let quiet = 0;
  for (;;) {
    const [state] = ((await (await fetch(`${url}/subscriptions`)).json()) as State).subscriptions;
    if (state === undefined) throw new Error("there is no subscription");
    quiet = state.lag.events === 0 && state.blocked === 0 ? quiet + 1 : 0;
    if (quiet > 20) return state;
    await Bun.sleep(100);
  }
}
