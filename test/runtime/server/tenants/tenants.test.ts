import { describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { cleanUp, jsonLines, serve } from "../../../cli/support.ts";
import { eventually } from "../../../support/eventually.ts";
import { jsonPost, type Problem, takeEvents, TEST_SECRET_KEY, type WireEvent } from "../../../support/app.ts";
import { at, configured, FEEDS, type Tenant, TENANTS, tenantsOf } from "./support.ts";

cleanUp();

async function problemOf(response: Response): Promise<Problem & { readonly instance: string }> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return (await response.json()) as Problem & { readonly instance: string };
}

describe("tenants by path and by host", () => {
  test("each has a log, streams, feeds and consumers of its own", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    const { a, b } = tenantsOf(server);
    expect((await a.append("count-1", 1, 2)).status).toBe(201);
    expect((await b.append("count-1", 10)).status).toBe(201);
    expect((await b.append("count-2", 20)).status).toBe(201);
    const subjects = (events: WireEvent[]) => events.map(({ id, subject }) => `${id} ${subject}`);
    expect(subjects(await a.get("/events"))).toEqual(["1 count-1", "2 count-1"]);
    expect(subjects(await b.get("/events"))).toEqual(["1 count-1", "2 count-2"]);
    const sums = async ({ get }: Tenant) => {
      const events = await get("/feeds/sums/v1/subjects/count-1");
      return events.map(({ data, source }) => [data, source]);
    };
    expect(await sums(a)).toEqual([1, 3].map((sum) => [{ sum }, "/feeds/sums/v1"]));
    expect(await sums(b)).toEqual([[{ sum: 10 }, "/feeds/sums/v1"]]);
    await a.fetch("/events/consumers/cards", { ...jsonPost({ position: 1 }), method: "PUT" });
    expect((await b.fetch("/events/consumers/cards")).status).toBe(404);
    // Neither keeps the other from stopping.
    expect((await server.stop()).exitCode).toBe(0);
  });

  test("are followed at the same time, and each follower receives its own events only", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    const { a, b } = tenantsOf(server);
    const stream = (tenant: Tenant, path: string) =>
      tenant.fetch(path, { headers: { accept: "text/event-stream" } });
    const live = [await stream(a, "/events"), await stream(b, "/events"), await stream(a, "/feeds/sums/v1")];
    await b.append("count-b", 2);
    await a.append("count-a", 1);
    const first = await Promise.all(live.map(async (response) => (await takeEvents(response, 1))[0]?.data));
    expect(first.map((event) => event?.subject)).toEqual(["count-a", "count-b", "count-a"]);
    const polled = b.get("/events?lastEventId=1&timeout=30000");
    await a.append("count-a", 3);
    await b.append("count-b", 4);
    expect((await polled).map(({ data }) => data)).toEqual([{ n: 4 }]);
    // Those that go are not held for followers, also below a path.
    const leaving = new AbortController();
    await a.fetch("/events", { headers: { accept: "text/event-stream" }, signal: leaving.signal });
    leaving.abort();
    const followers = async () =>
      /^kilde_followers (\d+)$/m.exec(await (await a.fetch("/metrics")).text())?.[1];
    await eventually(async () => (await followers()) === "0");
  });

  test("links, locations and problems are of the tenant, and the source of events is its log's name", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    const { a, b } = tenantsOf(server);
    const appended = await a.append("count-1", 1, 2, 3);
    expect(appended.headers.get("location")).toBe("/shops/a/streams/count-1");
    expect((await b.append("count-1", 1)).headers.get("location")).toBe("/streams/count-1");
    const page = await a.fetch("/events?limit=1");
    expect(page.headers.get("link")).toMatch(
      /<\/shops\/a\/events\?limit=1&lastEventId=1-[0-9a-f]{16}&cacheKey=\d+-0>; rel="next"/,
    );
    expect(((await page.json()) as WireEvent[])[0]?.source).toBe("/events");
    expect(await problemOf(await a.fetch("/streams/none"))).toMatchObject({
      type: "/shops/a/problems/stream-not-found",
      instance: "/shops/a/streams/none",
    });
    expect((await a.fetch("/problems/stream-not-found")).status).toBe(200);
    const index = await a.get<{ links: Record<string, string> }>("");
    expect(index.links["events"]).toBe("/shops/a/events");
    const api = await a.get<{ servers: Record<string, { host: string; pathname?: string }> }>(
      "/asyncapi.json",
    );
    expect(JSON.stringify(api.servers)).toContain("/shops/a");
    expect((await a.fetch("/docs")).status).toBe(200);
  });

  test("a host goes before a path, in any case and with any port; a path is whole segments", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}`));
    const { a, b } = tenantsOf(server);
    await a.append("of-a", 1);
    await b.append("of-b", 1);
    const asHost = (host: string, path: string) => fetch(server.url + path, { headers: { host } });
    const subjectAt = async (host: string, path: string) => {
      const response = await asHost(host, path);
      return response.ok ? ((await response.json()) as WireEvent[])[0]?.subject : response.status;
    };
    expect(await subjectAt("SHOP-B.LOCALHOST:99", "/events")).toBe("of-b");
    expect(await subjectAt("shop-b.localhost.", "/events")).toBe("of-b");
    expect(await subjectAt("shop-b.localhost", "/shops/a/events")).toBe(404);
    expect(await subjectAt("anything.localhost", "/shops/a/events")).toBe("of-a");
    expect(await subjectAt("anything.localhost", "/shops/b/../a/events")).toBe("of-a");
    expect(await subjectAt("anything.localhost", "/shops/ab/events")).toBe(404);
    expect(await subjectAt("anything.localhost", "/events")).toBe(404);
    expect(await subjectAt("anything.example", "/shops/a/events")).toBe(421);
  });

  test("a request without a tenant is refused, and the process answers its own paths", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}`));
    for (const path of ["/events", "/", "/shops", "/shops/b/events", "/streams/a", "/docs"]) {
      const response = await fetch(server.url + path);
      expect([path, response.status]).toEqual([path, 404]);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ type: "/problems/tenant-not-found", instance: path });
      // The answer does not reveal other tenants.
      expect(JSON.stringify(problem)).not.toContain("shop-a");
    }
    expect((await fetch(`${server.url}/streams/a`, jsonPost({ events: [{ type: "T" }] }))).status).toBe(404);
    expect((await fetch(`${server.url}/problems/tenant-not-found`)).status).toBe(200);
    const health = await fetch(`${server.url}/health`);
    expect([health.status, health.headers.has("x-request-id")]).toEqual([200, true]);
    expect((await fetch(`${server.url}/health`, { method: "POST" })).status).toBe(405);
    const ready = (await (await fetch(`${server.url}/ready`)).json()) as object;
    expect(ready).toMatchObject({
      status: "ready",
      tenants: { "shop-a": { status: "ready" }, "shop-b": { status: "ready" } },
    });
    const { a } = tenantsOf(server);
    await a.append("x", 1, 2);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('kilde_event_log_head{tenant="shop-a"} 2\n');
    expect(metrics).toContain('kilde_event_log_head{tenant="shop-b"} 0\n');
    expect(metrics).toContain('kilde_tenant_up{tenant="shop-b"} 1\n');
    expect(await (await a.fetch("/metrics")).text()).toContain("kilde_event_log_head 2\n");
  });

  test("a request without Host, as probes send it, is answered", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}`));
    const ask = (path: string) =>
      new Promise<string>((resolve) => {
        let text = "";
        const socket = connect(Number(new URL(server.url).port), "127.0.0.1", () =>
          socket.write(`GET ${path} HTTP/1.0\r\n\r\n`),
        );
        socket.on("data", (bytes) => (text += String(bytes)));
        socket.on("close", () => resolve(text));
      });
    expect(await ask("/health")).toContain('{"status":"ok"');
    expect(await ask("/shops/a/ready")).toContain('{"status":"ready"');
    expect(await ask("/events")).toContain("tenant-not-found");
  });

  test("databaseUrl serves the rest if it is set", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, databaseUrl: "file:data/rest.db"`));
    const rest = at(server.url);
    const { a } = tenantsOf(server);
    await rest.append("of-the-rest", 1);
    expect((await rest.get("/events"))[0]?.subject).toBe("of-the-rest");
    expect(await a.get("/events")).toEqual([]);
    expect((await rest.fetch("/nothing")).status).toBe(404);
    expect(await rest.get<object>("/ready")).toMatchObject({
      tenants: { default: { status: "ready" }, "shop-a": { status: "ready" } },
    });
    expect((await server.stop()).stderr).toContain(`  default  ${server.url} (database file:data/rest.db)\n`);
  });

  test("a body that is too large is refused below a path as it is at the root", async () => {
    const server = await serve(
      await configured(`tenants: ${TENANTS}, limits: { bodyBytes: 2_000, eventBytes: 1_000 }`),
    );
    for (const { append, fetch: call } of Object.values(tenantsOf(server))) {
      const body = JSON.stringify({ events: [{ type: "T", data: "x".repeat(3_000) }] });
      expect((await call("/streams/large", jsonPost(body))).status).toBe(413);
      expect((await append("small", 1)).status).toBe(201);
    }
  });

  test("a shutdown ends the followers of all, and answers pending requests", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    const { a, b } = tenantsOf(server);
    await a.append("count-1", 1);
    const waiting = [a, b].flatMap(({ fetch: call }) => [
      call("/events", { headers: { accept: "text/event-stream" } }).then((response) => response.text()),
      call("/events?lastEventId=1&timeout=30000").catch(() => null),
      call("/feeds/sums/v1?lastEventId=9&timeout=30000").catch(() => null),
    ]);
    await Bun.sleep(200);
    const started = performance.now();
    expect((await server.stop()).exitCode).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
    const [text] = await Promise.all(waiting);
    expect(text).toMatch(/id: 1-[0-9a-f]{16}\nevent: Added\n/);
  });

  test("webhooks of each are delivered, and those of no other", async () => {
    const received: string[] = [];
    const receiver = Bun.serve({
      port: 0,
      async fetch(request) {
        const { data } = (await request.json()) as WireEvent;
        received.push(`${new URL(request.url).pathname} ${JSON.stringify(data)}`);
        return new Response(null, { status: 204 });
      },
    });
    const server = await serve(await configured(`tenants: ${TENANTS}`), [], {
      environment: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
    });
    const { a, b } = tenantsOf(server);
    const subscribe = async ({ fetch: call }: Tenant, path: string) => {
      const url = `http://127.0.0.1:${receiver.port}${path}`;
      const made = await call("/subscriptions", jsonPost({ source: "/events", url }));
      return [made.status, made.headers.get("location")?.replace(/sub_.*/, "")];
    };
    expect(await subscribe(a, "/of-a")).toEqual([201, "/shops/a/subscriptions/"]);
    expect(await subscribe(b, "/of-b")).toEqual([201, "/subscriptions/"]);
    await a.append("x", 1);
    await b.append("x", 2);
    await eventually(() => received.length >= 2);
    expect(received.toSorted()).toEqual(['/of-a {"n":1}', '/of-b {"n":2}']);
    const list = await a.get<{ subscriptions: readonly object[] }>("/subscriptions");
    expect(list.subscriptions).toHaveLength(1);
    expect((await server.stop()).exitCode).toBe(0);
    await receiver.stop(true);
  });

  test("an objective that names one of them makes its alarms there alone", async () => {
    const objectives = 'consumers: { cards: { lag: "5s", tenant: "shop-a" }, ledger: { lag: "5s" } }';
    const served = await serve(await configured(`tenants: ${TENANTS}, objectives: { ${objectives} }`));
    const { a, b } = tenantsOf(served);
    for (const tenant of [b, a]) {
      await tenant.append("count-1", 1);
      for (const name of ["cards", "ledger"]) {
        const init = { method: "PUT", body: '{"position":0}' };
        expect((await tenant.fetch(`/events/consumers/${name}`, init)).status).toBe(200);
      }
    }
    const alarms = async (tenant: Tenant) =>
      (await tenant.get("/operations")).map(({ subject }) => subject).toSorted();
    await eventually(async () => (await alarms(a)).length === 2 && (await alarms(b)).length === 1, {
      pollMs: 200,
    });
    expect(await alarms(a)).toEqual(["/events/consumers/cards", "/events/consumers/ledger"]);
    expect(await alarms(b)).toEqual(["/events/consumers/ledger"]);
  });

  test("everything is present after a restart, and the log names the tenant of a request", async () => {
    const cwd = await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`);
    const before = await serve(cwd);
    const first = tenantsOf(before);
    await first.a.append("count-1", 1);
    await first.b.append("count-1", 2);
    const { stdout, stderr, exitCode } = await before.stop();
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`  shop-a  ${before.url}/shops/a (database file:data/a.db)\n`);
    expect(stderr).toContain(`  shop-b  http://Shop-B.localhost:${new URL(before.url).port} (database`);
    const requests = jsonLines(stdout).filter(({ msg }) => msg === "request");
    expect(requests.map(({ tenant, path }) => [tenant, path])).toEqual([
      ["shop-a", "/streams/count-1"],
      ["shop-b", "/streams/count-1"],
    ]);
    const { a, b } = tenantsOf(await serve(cwd));
    await a.append("count-1", 5);
    expect((await a.get("/feeds/sums/v1/subjects/count-1")).map(({ data }) => data)).toEqual([
      { sum: 1 },
      { sum: 6 },
    ]);
    expect((await b.get("/events")).map(({ data }) => data)).toEqual([{ n: 2 }]);
  });
});
