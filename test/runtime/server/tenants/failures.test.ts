import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import Connection from "libsql";

import { cleanUp, jsonLines, run, serve } from "../../../cli/support.ts";
import { eventually } from "../../../support/eventually.ts";
import { jsonPost, type Problem } from "../../../support/app.ts";
import { at, configured, FEEDS, type Tenant, TENANTS, tenantsOf } from "./support.ts";

cleanUp();

async function problemOf(response: Response): Promise<Problem & { readonly instance: string }> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return (await response.json()) as Problem & { readonly instance: string };
}

describe("a failure of one tenant", () => {
  test("does not affect others: an invalid database, at the start", async () => {
    const cwd = await configured(`tenants: ${TENANTS}`);
    await Bun.write(
      join(cwd, "data/b.db"),
      "this is not a database, however long one looks at it".repeat(100),
    );
    const server = await serve(cwd);
    const { a, b } = tenantsOf(server);
    expect((await a.append("x", 1)).status).toBe(201);
    const refused = await b.fetch("/events");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await problemOf(refused)).toMatchObject({
      type: "/problems/storage-unavailable",
      instance: "/events",
    });
    const ready = await fetch(`${server.url}/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      status: "degraded",
      tenants: { "shop-a": { status: "ready" }, "shop-b": { status: "unavailable" } },
    });
    expect([(await a.fetch("/ready")).status, (await b.fetch("/ready")).status]).toEqual([200, 503]);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain(
      'kilde_tenant_up{tenant="shop-b"} 0\n',
    );
    // It is tried again, and served as soon as it can be.
    rmSync(join(cwd, "data/b.db"));
    await eventually(async () => (await b.fetch("/ready")).status === 200);
    expect((await b.append("y", 1)).status).toBe(201);
    expect((await server.stop()).stdout).toContain('"tenant":"shop-b","err"');
  });

  test("requests to a tenant whose database is not open stand in its own log, and their problems below its path", async () => {
    const cwd = await configured(
      `accessLog: true, tenants: [{ name: "a", path: "/a", databaseUrl: "file:a.db" }, { name: "b", path: "/b", databaseUrl: "file:b.db" }]`,
    );
    await Bun.write(join(cwd, "b.db"), "not a database ".repeat(1_000));
    const server = await serve(cwd);
    expect(await problemOf(await fetch(`${server.url}/b/events`))).toMatchObject({
      type: "/b/problems/storage-unavailable",
      instance: "/b/events",
    });
    const lines = jsonLines((await server.stop()).stdout);
    expect(lines.filter(({ msg }) => msg === "request")).toMatchObject([
      { tenant: "b", path: "/events", status: 503 },
    ]);
    expect(lines.filter(({ msg }) => msg === "request failed")).toEqual([]);
  });

  test.skipIf(process.getuid?.() === 0)(
    "does not affect others: a folder that may not be written",
    async () => {
      const cwd = await configured(
        `tenants: [{ name: "a", path: "/a", databaseUrl: "file:a.db" }, { name: "b", path: "/b", databaseUrl: "file:closed/b.db" }]`,
      );
      mkdirSync(join(cwd, "closed"));
      chmodSync(join(cwd, "closed"), 0o500);
      const server = await serve(cwd);
      expect((await at(`${server.url}/a`).append("x", 1)).status).toBe(201);
      expect((await at(`${server.url}/b`).append("x", 1)).status).toBe(503);
    },
  );

  test("does not affect others: a disk that is full", async () => {
    const cwd = await configured(
      `accessLog: false, tenants: [
        { name: "a", path: "/a", databaseUrl: "file:a.db" },
        { name: "b", path: "/b", databaseUrl: "file:small/b.db" },
      ]`,
    );
    const small = join(cwd, "small");
    mkdirSync(small);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small]).exitCode === 0;
    // Only who may mount has such a disk.
    if (!mounted) return;
    try {
      const server = await serve(cwd);
      const [a, b] = [at(`${server.url}/a`), at(`${server.url}/b`)];
      const large = jsonPost({ events: [{ type: "T", data: "x".repeat(300_000) }] });
      const statuses: number[] = [];
      for (let n = 0; n < 5; n += 1) statuses.push((await b.fetch("/streams/large", large)).status);
      expect(statuses.at(-1)).toBe(507);
      expect((await a.fetch("/streams/large", large)).status).toBe(201);
      expect((await b.fetch("/events?limit=1")).status).toBe(200);
      expect((await fetch(`${server.url}/health`)).status).toBe(200);
      await server.stop();
    } finally {
      Bun.spawnSync(["umount", "-l", small]);
    }
  });

  test("a feed that is halted in one continues in the other", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    const { a, b } = tenantsOf(server);
    await a.append("count-1", 13);
    await b.append("count-1", 14);
    expect(await b.get("/feeds/sums/v1?timeout=10000")).toHaveLength(1);
    const status = async (tenant: Tenant) =>
      (await tenant.get<{ status: string }>("/feeds/sums/v1/status")).status;
    await eventually(async () => (await status(a)) === "halted");
    await b.append("count-1", 1);
    expect((await b.get("/feeds/sums/v1?lastEventId=1&timeout=10000")).map(({ data }) => data)).toEqual([
      { sum: 15 },
    ]);
    expect((await a.append("count-2", 1)).status).toBe(201);
  });
});

describe("serve, at its start,", () => {
  test("refuses a database of a newer schema, and names the tenant", async () => {
    const cwd = await configured(`tenants: ${TENANTS}`);
    expect((await run(["migrate"], { cwd })).stdout).toContain("shop-b: applied 0000_log\n");
    const connection = new Connection(join(cwd, "data/b.db"));
    connection.exec("insert into __drizzle_migrations (id, hash, created_at) values (99, 'x', 0)");
    connection.close();
    const { exitCode, stderr } = await run(["serve", "--port", "0"], { cwd });
    expect(stderr).toStartWith("kilde: tenant shop-b: file:data/b.db: The database has a newer schema");
    expect(exitCode).toBe(1);
  });

  test("refuses a feed that breaks its published contract in one of them, and names the tenant", async () => {
    const cwd = await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`);
    const server = await serve(cwd);
    const { b } = tenantsOf(server);
    await b.append("count-1", 1);
    // Publishing makes the published contract; starting a server does not.
    await eventually(async () => (await b.get("/feeds/sums/v1")).length > 0);
    await server.stop();
    rmSync(join(cwd, "data/a.db"));
    await configured(
      `tenants: ${TENANTS}, feeds: ${FEEDS.replace("sum: z.int()", "sum: z.string()")} as never`,
      cwd,
    );
    const { exitCode, stderr } = await run(["serve", "--port", "0"], { cwd });
    expect(stderr).toMatch(/^kilde: tenant shop-b: .*sums.*v1/);
    expect(exitCode).toBe(2);
  });

  test("refuses feeds that cannot be served, before any database is made", async () => {
    const cwd = await configured(
      `tenants: ${TENANTS}, feeds: [{ name: "Not a name", version: 0, events: {}, contract: {}, publish: {} }] as never`,
    );
    const { exitCode, stderr } = await run(["serve", "--port", "0"], { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("Not a name");
    expect(existsSync(join(cwd, "data"))).toBe(false);
  });
});
