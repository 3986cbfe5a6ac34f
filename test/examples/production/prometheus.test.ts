import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { cleanUp, emptyFolder, launch, run, serve, type Served } from "../../cli/support.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { userProject } from "../../support/user-project.ts";

/*
 * Prometheus scrapes Kilde, and checks its metrics, rules and configuration. Debian's package `prometheus` brings both
 * programs; without it these tests are skipped, with a warning.
 */

setDefaultTimeout(60_000);
cleanUp();

const HERE = import.meta.dir;
const RULES = join(HERE, "kilde.rules.yml");
const DASHBOARDS = ["grafana-server.json", "grafana-flow.json"];

const isInstalled = Bun.which("prometheus") !== null && Bun.which("promtool") !== null;
if (!isInstalled) console.warn("prometheus is not installed: apt-get install prometheus");

const CONFIG = `import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

const placed = z.object({ cents: z.number() });

export default defineConfig({
  feeds: [
    defineFeed({
      name: "orders",
      version: 1,
      sunset: "2026-01-01",
      events: { Placed: placed },
      contract: { OrderPlaced: placed },
      publish: { Placed: ({ data }) => ({ type: "OrderPlaced", data }) },
    }),
  ],
});
`;

const receivers: { stop(force?: boolean): Promise<void> }[] = [];
afterEach(async () => {
  for (const receiver of receivers.splice(0)) await receiver.stop(true);
});

async function post(url: string, body: unknown, method = "POST"): Promise<void> {
  const response = await fetch(url, { ...jsonPost(body), method });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}

/** A server on a file with a feed, a consumer, a subscription and a backup, after an event has passed through all of them. */
async function serveInUse(): Promise<Served> {
  const cwd = await userProject({ "kilde.config.ts": CONFIG });
  const receiver = Bun.serve({ port: 0, fetch: () => new Response(null, { status: 204 }) });
  receivers.push(receiver);
  const backups = emptyFolder();
  const server = await serve(cwd, ["--backup-folder", backups], {
    environment: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
  });
  const { url } = server;
  await post(`${url}/subscriptions`, {
    source: "/events",
    url: `http://127.0.0.1:${receiver.port}/`,
  });
  await eventually(
    async () => (await metrics(server)).includes('feed="orders",version="1",status="live"} 1'),
    {
      pollMs: 200,
    },
  );
  await post(`${url}/streams/order-1`, { events: [{ type: "Placed", data: { cents: 100 } }] });
  await fetch(`${url}/events`, { headers: { "kilde-consumer": "cards" } });
  await post(`${url}/events/consumers/cards`, { position: 1 }, "PUT");
  await fetch(`${url}/feeds/orders/v1`);
  expect((await run(["backup", join(backups, "first.db")], { cwd })).exitCode).toBe(0);
  return server;
}

async function metrics({ url }: Served): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

const MEASURED_BY_THREADS = [
  /^kilde_append_to_feed_seconds_count\{feed="orders",version="1"\} [1-9]/m,
  /^kilde_append_to_delivered_seconds_count\{source="\/events"\} [1-9]/m,
  /^kilde_delivery_attempts_total\{source="\/events",outcome="acknowledged"\} [1-9]/m,
  /^kilde_events_sent_total\{log="\/events",transport="webhook"\} [1-9]/m,
  /^kilde_write_duration_seconds_count [1-9]/m,
  /^kilde_event_loop_delay_seconds_count [1-9]/m,
];

/** The metrics of Kilde that a text of PromQL, or a file with some, names. */
function namesIn(text: string): string[] {
  return [...new Set(text.match(/\bkilde_[a-z_]+/g))];
}

test("the metrics of threads, and every name in the alert rules and dashboards, are served", async () => {
  const server = await serveInUse();
  let served = "";
  await eventually(
    async () => {
      served = await metrics(server);
      return MEASURED_BY_THREADS.every((line) => line.test(served));
    },
    { pollMs: 200 },
  );
  const samples = new Set(served.split("\n").map((line) => /^[a-z_]+/.exec(line)?.[0] ?? ""));
  const files = [RULES, ...DASHBOARDS.map((name) => join(HERE, name))];
  const named = files.flatMap((file) => namesIn(readFileSync(file, "utf8")));
  expect(named.length).toBeGreaterThan(40);
  // Only a feed that is being built has an estimate.
  expect(named.filter((name) => !samples.has(name))).toEqual(["kilde_feed_build_seconds_left"]);
  expect(served).toContain("# TYPE kilde_feed_build_seconds_left gauge");
});

test("each panel of a dashboard asks for something, and fits its row", () => {
  for (const name of DASHBOARDS) {
    const { uid, panels } = JSON.parse(readFileSync(join(HERE, name), "utf8")) as {
      readonly uid: string;
      readonly panels: readonly {
        readonly gridPos: { readonly x: number; readonly w: number };
        readonly targets: readonly { readonly expr: string }[];
      }[];
    };
    expect(uid).toStartWith("kilde-");
    for (const { gridPos, targets } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      expect(targets.flatMap(({ expr }) => namesIn(expr))).not.toEqual([]);
    }
  }
});

test("each alert has a unit test", () => {
  const alerts = (file: string, line: RegExp) =>
    [...readFileSync(join(HERE, file), "utf8").matchAll(line)].map(([, name]) => name);
  const defined = alerts("kilde.rules.yml", /^ +- alert: (\w+)$/gm);
  expect(defined.length).toBeGreaterThan(10);
  expect(alerts("kilde.rules.test.yml", /^ +- name: (\w+)$/gm)).toEqual(defined);
});

describe.if(isInstalled)("Prometheus", () => {
  test("finds no fault with the metrics", async () => {
    const server = await serveInUse();
    const program = ["promtool", "check", "metrics"];
    const checked = await run([], { cwd: server.cwd, program, stdin: await metrics(server) });
    expect(checked).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("finds no fault with the configuration and its rules, whose unit tests pass", async () => {
    const check = await run(["check", "config", "prometheus.yml"], { cwd: HERE, program: ["promtool"] });
    expect(check).toMatchObject({ exitCode: 0 });
    const tests = await run(["test", "rules", "kilde.rules.test.yml"], { cwd: HERE, program: ["promtool"] });
    expect(tests).toMatchObject({ exitCode: 0 });
  });

  test("scrapes a server, evaluates the rules, and fires for a feed that is read past its sunset", async () => {
    const server = await serveInUse();
    const cwd = emptyFolder();
    copyFileSync(RULES, join(cwd, "kilde.rules.yml"));
    const config = readFileSync(join(HERE, "prometheus.yml"), "utf8")
      .replaceAll("15s", "1s")
      .replace("127.0.0.1:4000", new URL(server.url).host);
    await Bun.write(join(cwd, "prometheus.yml"), config);
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const address = `127.0.0.1:${listener.port}`;
    listener.stop(true);
    launch([`--web.listen-address=${address}`, "--storage.tsdb.path=data"], {
      cwd,
      program: ["prometheus", "--config.file=prometheus.yml"],
    });
    const ask = async (query: string): Promise<{ metric: object; value: [number, string] }[]> => {
      const response = await fetch(`http://${address}/api/v1/query?${new URLSearchParams({ query })}`);
      const { data } = (await response.json()) as {
        data: { result: { metric: object; value: [number, string] }[] };
      };
      return data.result;
    };
    const isTrue = async (query: string) => {
      // The rate grows only while somebody reads.
      await fetch(`${server.url}/feeds/orders/v1`);
      return (await ask(query).catch(() => [])).length > 0;
    };
    await eventually(() => isTrue('up{job="kilde"} == 1'), { pollMs: 200 });
    await eventually(() => isTrue('kilde_append_to_feed_seconds_bucket{le="+Inf"} >= 1'), {
      pollMs: 200,
    });
    const firing =
      'ALERTS{alertname="KildeVersionReadPastSunset", alertstate="firing", log="/feeds/orders/v1"}';
    await eventually(() => isTrue(firing), { pollMs: 200 });
    expect(await ask('ALERTS{severity="page", alertstate="firing"}')).toEqual([]);
  });
});
