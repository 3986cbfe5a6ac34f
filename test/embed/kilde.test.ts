import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Hono } from "hono";
import { z } from "zod";

import { createClient, type KildeError } from "../../src/client/index.ts";
import { createCommandHandler } from "../../src/decider/index.ts";
import { createKilde, type Kilde, type KildeOptions } from "../../src/embed/index.ts";
import { defineFeed } from "../../src/index.ts";
import { account } from "../decider/account.ts";
import { all } from "../decider/support.ts";
import { startSqld } from "../support/sqld.ts";
import { runsOn, TESTED_ON } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "kilde-embed-"));
  opened.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function kildeOf(options: KildeOptions): Promise<Kilde> {
  const kilde = await createKilde({ pollIntervalMs: 20, ...options });
  opened.push(() => kilde.close());
  return kilde;
}

const balances = (version: number, successor: { successor?: number }) =>
  defineFeed({
    name: "balances",
    version,
    source: { streams: "account-" },
    events: { Deposited: z.object({ cents: z.int() }) },
    contract: { BalanceChanged: z.object({ by: z.int() }) },
    publish: { Deposited: ({ data }) => ({ type: "BalanceChanged", data: { by: data.cents } }) },
    ...successor,
  });
const feeds = [balances(1, { successor: 2 }), balances(2, {})];

/** A service that mounts a Kilde under a path, over real HTTP. */
function serve(kilde: Kilde): string {
  const app = new Hono();
  app.get("/", (c) => c.text("the service itself"));
  app.mount("/kilde", kilde.fetch);
  app.all("/whole/kilde/*", (c) => kilde.fetch(new Request(c.req.url.replace("/whole", ""), c.req.raw)));
  const server = Bun.serve({ port: 0, idleTimeout: 0, fetch: app.fetch });
  opened.push(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

const DATABASES: readonly (readonly [string, () => Promise<string>])[] =
  TESTED_ON === "sqld"
    ? [
        [
          "on a libSQL server",
          async () => {
            const { url, stop } = await startSqld();
            opened.push(stop);
            return url;
          },
        ],
      ]
    : [
        ["in memory", async () => ":memory:"],
        [
          "in a file in a folder that is not there yet",
          async () => `file:${join(folder(), "data/kilde.db")}`,
        ],
      ];

for (const [name, url] of DATABASES) {
  describe(`a Kilde in this process, ${name}`, () => {
    test("offers every operation of a server's client", async () => {
      const kilde = await kildeOf({ databaseUrl: await url() });
      expect(await kilde.append("a", [{ type: "X", data: { n: 1 } }, { type: "Y" }])).toEqual({
        stream: "a",
        version: 2,
        position: 2,
        count: 2,
      });
      await expect(kilde.append("a", { type: "Z" }, { expectedVersion: 9 })).rejects.toMatchObject({
        code: "version-conflict",
        members: { currentVersion: 2 },
      });
      await kilde.transact([{ stream: "b", events: [{ type: "Z" }] }], { idempotencyKey: "k" });
      expect(await kilde.findAppend("k")).toEqual([{ stream: "b", version: 1, position: 3, count: 1 }]);
      expect((await all(kilde.read<{ n: number }>())).map(({ id, type }) => id + type)).toEqual([
        "1X",
        "2Y",
        "3Z",
      ]);
      expect((await all(kilde.streams())).map(({ stream }) => stream)).toEqual(["a", "b"]);
      expect(await kilde.head()).toBe(3);
      expect((await kilde.commit(2, { consumer: "c" })).lag.events).toBe(1);
      expect(await kilde.truncate("a", 2)).toBe(2);
      expect(await kilde.erase("b", "enough")).toBe(2);
    });

    test("projects its feeds, and follows them", async () => {
      const kilde = await kildeOf({ databaseUrl: await url(), feeds });
      const enough = new AbortController();
      const following = (async () => {
        const seen: unknown[] = [];
        for await (const event of kilde.follow<{ by: number }>({
          feed: "balances/v1",
          signal: enough.signal,
        })) {
          seen.push(event.data);
          if (seen.length === 2) enough.abort();
        }
        return seen;
      })();
      const { handle } = createCommandHandler({ store: kilde });
      await handle("account-1", account, { type: "Deposit", cents: 5 });
      await handle("account-1", account, { type: "Deposit", cents: 7 });
      expect(await following).toEqual([{ by: 5 }, { by: 7 }]);
      const [first] = await all(kilde.read({ feed: "balances/v1", subject: "account-1" }));
      expect(first?.type).toBe("BalanceChanged");
    });

    test("on close it ends followers, completes requests in flight, and rejects new ones", async () => {
      const kilde = await kildeOf({ databaseUrl: await url() });
      await kilde.append("a", { type: "X" });
      const seen: string[] = [];
      let receivedFirst = () => {};
      const first = new Promise<void>((resolve) => (receivedFirst = resolve));
      const following = (async () => {
        for await (const { type } of kilde.follow()) {
          seen.push(type);
          receivedFirst();
        }
      })();
      await first;
      const appends = Promise.all(Array.from({ length: 20 }, () => kilde.append("a", { type: "X" })));
      const closed = kilde.close();
      await expect(kilde.append("a", { type: "Late" })).rejects.toMatchObject({ code: "shutting-down" });
      expect(
        (await appends)
          .map(({ version }) => version)
          .toSorted((a, b) => a - b)
          .at(-1),
      ).toBe(21);
      await closed;
      await kilde.close();
      await following;
      const answer = await kilde.fetch(new Request("http://kilde.test/streams"));
      expect([answer.status, ((await answer.json()) as { type: string }).type]).toEqual([
        503,
        "/problems/shutting-down",
      ]);
    });
  });
}

test("keeps appended events over a restart", async () => {
  const databaseUrl = `file:${join(folder(), "deep/er/kilde.db")}`;
  const first = await createKilde({ databaseUrl, feeds });
  await first.append("account-1", { type: "Deposited", data: { cents: 1 } });
  await first.close();
  expect(existsSync(databaseUrl.slice("file:".length))).toBe(true);
  const second = await kildeOf({ databaseUrl, feeds });
  expect((await all(second.read({ feed: "balances/v1", subject: "account-1" }))).length).toBe(1);
});

describe("mounted under a path", () => {
  test("answers a client over HTTP, beside the service itself", async () => {
    const kilde = await kildeOf({ databaseUrl: ":memory:", basePath: "/kilde", feeds });
    const url = serve(kilde);
    expect(await (await fetch(url)).text()).toBe("the service itself");
    for (const path of ["/kilde", "/whole/kilde"]) {
      const client = createClient({ url: url + path });
      const stream = `account${path.replaceAll("/", "-")}`;
      await client.append(stream, { type: "Deposited", data: { cents: 2 } }, { expectedVersion: 0 });
      await expect(client.append(stream, { type: "X" }, { expectedVersion: 0 })).rejects.toMatchObject({
        code: "version-conflict",
      });
      expect((await all(client.read({ stream }))).length).toBe(1);
      const enough = new AbortController();
      for await (const event of client.follow({ stream, signal: enough.signal })) {
        expect(event.subject).toBe(stream);
        enough.abort();
      }
    }
    expect(await kilde.head()).toBe(2);
    // The server stops following for a client that disconnected.
    for (let tries = 0; tries < 100; tries += 1) {
      const metrics = await (await fetch(`${url}/kilde/metrics`)).text();
      if (/^kilde_followers 0$/m.test(metrics)) return;
      await Bun.sleep(20);
    }
    expect(await (await fetch(`${url}/kilde/metrics`)).text()).toMatch(/^kilde_followers 0$/m);
  });

  test("every link in an answer is reachable", async () => {
    const kilde = await kildeOf({ databaseUrl: ":memory:", basePath: "/kilde", feeds });
    const url = serve(kilde);
    for (let count = 0; count < 3; count += 1) {
      await kilde.append("account-1", { type: "Deposited", data: { cents: 1 } });
    }
    const relation = (response: Response, name: string) =>
      new RegExp(`<([^>]+)>; rel="${name}"`).exec(response.headers.get("link") ?? "")?.[1] ?? "";
    for (const path of ["/kilde/events", "/kilde/streams/account-1"]) {
      const ids: string[] = [];
      for (let next = `${path}?limit=1`; ;) {
        const page = await fetch(new URL(next, url));
        const events = (await page.json()) as { id: string }[];
        if (events.length === 0) break;
        ids.push(...events.map(({ id }) => id));
        next = relation(page, "next");
      }
      expect(ids).toEqual(["1", "2", "3"]);
    }
    const streams = await fetch(`${url}/kilde/streams?limit=1`);
    expect((await fetch(new URL(relation(streams, "next"), url))).status).toBe(200);

    const made = await fetch(`${url}/kilde/streams/made%2Fhere`, {
      method: "POST",
      body: '{"events":[{"type":"X"}]}',
      headers: { "content-type": "application/json" },
    });
    expect((await fetch(new URL(made.headers.get("location") ?? "", url))).status).toBe(200);

    const problem = (await (await fetch(`${url}/kilde/streams/none`)).json()) as Record<
      "type" | "instance",
      string
    >;
    expect(problem.instance).toBe("/kilde/streams/none");
    expect((await fetch(new URL(problem.type, url))).status).toBe(200);
    const wrong = (await (await fetch(`${url}/kilde/nothing`)).json()) as { detail: string };
    expect(wrong.detail).toBe("There is nothing at /kilde/nothing");

    const { links } = (await (await fetch(`${url}/kilde`)).json()) as { links: Record<string, string> };
    for (const [name, path] of Object.entries(links)) {
      if (path.includes("{") || name === "transactions" || name === "appends") continue;
      expect([name, (await fetch(new URL(path, url))).status]).toEqual([name, 200]);
    }
    expect(Object.keys(links)).not.toContain("docs");
    const catalogue = (await (await fetch(`${url}/kilde/feeds`)).json()) as {
      feeds: { links: Record<string, string> }[];
    };
    for (const [name, path] of Object.entries(catalogue.feeds[0]?.links ?? {})) {
      if (path.includes("{") || name === "successor") continue;
      expect([name, (await fetch(new URL(path, url))).status]).toEqual([name, 200]);
    }
    const feed = await fetch(`${url}/kilde/feeds/balances/v1`);
    expect(relation(feed, "successor-version")).toBe("/kilde/feeds/balances/v2");
    expect(catalogue.feeds[0]?.links["successor"]).toBe("/kilde/feeds/balances/v2");

    const openapi = (await (await fetch(`${url}/kilde/openapi.json`)).json()) as {
      servers: { url: string }[];
    };
    expect(openapi.servers).toEqual([{ url: "/kilde" }]);
    const asyncapi = await (await fetch(`${url}/kilde/asyncapi.json`)).text();
    expect(asyncapi).toContain("/kilde");
  });
});

test("a path that is not canonical is rejected", async () => {
  const kilde = await createKilde({ databaseUrl: ":memory:", basePath: "/kilde" });
  for (const path of [
    "/kilde/streams/%zz",
    "/kilde//events",
    "/kilde/streams/a%2F..%2Fb",
    "/kilde/events#x",
  ]) {
    const answer = await kilde.fetch(new Request(`http://service.example${path}`));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ type: "/kilde/problems/invalid-target" });
  }
  await kilde.close();
});

test("problems name the path that was asked for once, also of requests that reach no store", async () => {
  const kilde = await createKilde({ databaseUrl: ":memory:", basePath: "/kilde" });
  const problem = async (path: string) =>
    (await (await kilde.fetch(new Request(`http://host.example${path}`))).json()) as object;
  const malformed = { type: "/kilde/problems/invalid-target", instance: "/kilde/streams/%41" };
  expect(await problem("/kilde/streams/%41")).toMatchObject(malformed);
  // A router such as Hono's has taken the base path from the request.
  expect(await problem("/streams/%41")).toMatchObject(malformed);
  await kilde.close();
  expect(await problem("/kilde/events")).toMatchObject({
    type: "/kilde/problems/shutting-down",
    instance: "/kilde/events",
  });
});

test("an invalid option is reported by its name", async () => {
  await expect(createKilde({ databaseUrl: "mysql://x" })).rejects.toThrow(
    /databaseUrl: "mysql:\/\/x" must be file/,
  );
  const limits = { eventByte: 1 } as unknown as { eventBytes: number };
  await expect(createKilde({ limits })).rejects.toThrow(/did you mean limits.eventBytes\?/);
  await expect(createKilde({ databaseUrl: ":memory:", basePath: "kilde/" })).rejects.toThrow(
    /such as "\/kilde", not "kilde\/"/,
  );
});

test("the program that embeds a store is trusted, and gives a part of it no more than the grants of a key", async () => {
  const kilde = await kildeOf({ databaseUrl: ":memory:" });
  const failure = (call: Promise<unknown>) =>
    call.then(
      () => null,
      ({ code, members }: KildeError) => [code, members.needs],
    );
  const [garbage, none] = ["kilde_garbage", "a.b.c"].map((token) =>
    kilde.as(token).append("a", { type: "A" }),
  );
  for (const call of [garbage, none])
    expect(await failure(call ?? Promise.resolve())).toEqual(["unauthenticated", undefined]);
  const { key, token } = await kilde.keys.create({ name: "orders", grants: ["append:/streams/order-*"] });
  const orders = kilde.as(() => token);
  expect(await orders.append("order-1", { type: "A" })).toMatchObject({ version: 1 });
  expect(await failure(orders.append("user-1", { type: "A" }))).toEqual([
    "forbidden",
    "append:/streams/user-1",
  ]);
  expect(await failure(all(orders.read({ stream: "order-1" })))).toEqual([
    "forbidden",
    "read:/streams/order-1",
  ]);
  expect(await kilde.append("user-1", { type: "A" })).toMatchObject({ version: 1 });
  expect(await all(kilde.read())).toHaveLength(2);
  await kilde.keys.revoke(key);
  expect(await failure(orders.append("order-1", { type: "A" }))).toEqual(["unauthenticated", undefined]);
  expect(await kilde.append("order-1", { type: "A" })).toMatchObject({ version: 2 });
});

test("keys are listed by name, from the one after an id, a page at a time", async () => {
  const kilde = await kildeOf({ databaseUrl: ":memory:" });
  for (const name of ["c", "a", "b"]) await kilde.keys.create({ name, grants: ["admin"] });
  const [first, ...others] = await all(kilde.keys.list());
  expect([first?.name, ...others.map(({ name }) => name)]).toEqual(["a", "b", "c"]);
  expect(await all(kilde.keys.list({ after: first?.key ?? "", pageSize: 1 }))).toEqual(others);
});
