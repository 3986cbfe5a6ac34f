import { describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { createClient, KildeError } from "../../../../src/client/index.ts";
import { cleanUp, jsonLines, run, serve } from "../../../cli/support.ts";
import { at, configured, FEEDS, TENANTS, tenantsOf } from "./support.ts";

cleanUp();

describe("programs", () => {
  test("kilde/client works below a path and at a host", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    for (const { url } of Object.values(tenantsOf(server))) {
      const client = createClient({ url: `${url}/` });
      await client.append(
        "count-1",
        [1, 2, 3].map((n) => ({ type: "Added", data: { n } })),
      );
      await client.transact([{ stream: "count-2", events: [{ type: "Added", data: { n: 4 } }] }]);
      const read = await Array.fromAsync(client.read({ pageSize: 2 }));
      expect(read.map(({ position }) => position)).toEqual([1, 2, 3, 4]);
      for await (const { data } of client.follow({ feed: "sums/v1" })) {
        expect(data).toEqual({ sum: 1 });
        break;
      }
      expect(await client.head()).toBe(4);
      expect((await Array.fromAsync(client.streams())).map(({ stream }) => stream)).toEqual([
        "count-1",
        "count-2",
      ]);
      expect((await client.commit(2, { consumer: "cards" })).committed).toBe(2);
      const refused = await client
        .append("count-1", { type: "T" }, { expectedVersion: 9 })
        .catch((error) => error as unknown);
      expect(refused instanceof KildeError && refused.code).toBe("version-conflict");
    }
    const nobody = createClient({ url: server.url });
    const unknown = await nobody.head().catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(Error);
    const refusal = await Array.fromAsync(nobody.read()).catch((error: unknown) => error);
    expect(refusal instanceof KildeError && refusal.code).toBe("tenant-not-found");
  });

  test("the command line works with a path in its URL", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`));
    for (const { url: KILDE_URL } of Object.values(tenantsOf(server))) {
      const kilde = (...args: string[]) => server.kilde(args, { environment: { KILDE_URL } });
      expect(await kilde("append", "count-1", "Added", '{"n":1}')).toMatchObject({ exitCode: 0 });
      const events = join(server.cwd, "events.ndjson");
      expect(await kilde("export", events)).toMatchObject({ exitCode: 0 });
      expect((await kilde("read")).stdout).toContain('"subject":"count-1"');
      expect((await kilde("streams")).stdout).toContain("count-1");
      expect((await kilde("feeds", "list")).stdout).toContain("sums");
      expect((await kilde("consumers")).exitCode).toBe(0);
      rmSync(events);
    }
    const { exitCode, stderr } = await server.kilde(["read"]);
    expect(stderr).toContain("No tenant is at /events of this host");
    expect(exitCode).toBe(1);
  });

  test("a tenant moves to another process with all that it is, while the other stays", async () => {
    const cwd = await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`);
    const server = await serve(cwd);
    const { a } = tenantsOf(server);
    await a.append("count-1", 1, 2);
    const before = await a.get("/feeds/sums/v1/subjects/count-1");
    expect((await server.kilde(["backup", "--tenant", "shop-a", "moved.db"])).exitCode).toBe(0);
    const newTenants = `[{ name: "shop-a", host: "shop-a.localhost", databaseUrl: "file:here.db" }]`;
    const elsewhere = await configured(`tenants: ${newTenants}, feeds: ${FEEDS}`);
    const restored = await run(
      [
        "restore",
        "--tenant",
        "shop-a",
        join(cwd, "moved.db"),
        "--erasures",
        join(cwd, "moved.db.erasures.ndjson"),
      ],
      { cwd: elsewhere },
    );
    expect(restored.exitCode).toBe(0);
    const second = await serve(elsewhere);
    const moved = at(`http://shop-a.localhost:${new URL(second.url).port}`);
    // A restored log has an identity of its own, with the old one in its lineage.
    expect(await moved.get("/feeds/sums/v1/subjects/count-1")).toEqual(
      before.map((event) => ({ ...event, logidentity: expect.stringMatching(/^[0-9a-f]{16}$/) })),
    );
    expect((await moved.append("count-1", 3)).status).toBe(201);
    expect((await moved.get("/events")).map(({ id }) => id)).toEqual(["1", "2", "3"]);
  });

  test("migrate, doctor, backup and restore take a tenant", async () => {
    const cwd = await configured(`tenants: ${TENANTS}`);
    const kilde = (...args: string[]) => run(args, { cwd });
    expect((await kilde("migrate", "--tenant", "shop-a")).stdout).toMatch(
      /^shop-a: created a new database at .*\/a\.db\nshop-a: applied/,
    );
    expect(existsSync(join(cwd, "data/b.db"))).toBe(false);
    const all = await kilde("migrate", "--json");
    expect(jsonLines(all.stdout)).toMatchObject([{ tenant: "shop-a", applied: [] }, { tenant: "shop-b" }]);
    expect((await kilde("doctor", "--tenant", "shop-b")).stdout).toBe("file:data/b.db is sound\n");
    expect(await kilde("doctor")).toMatchObject({
      exitCode: 2,
      stderr:
        "kilde: Which database? The configuration has 2\n  Name one with --tenant (shop-a, shop-b) or --database-url.\n",
    });
    expect(await kilde("doctor", "--tenant", "shop-c")).toMatchObject({
      exitCode: 2,
      stderr: 'kilde: tenant: there is no "shop-c" (flag --tenant)\n  There are shop-a, shop-b.\n',
    });
    expect((await kilde("backup", "--tenant", "shop-a", "a.db")).exitCode).toBe(0);
    rmSync(join(cwd, "data"), { recursive: true });
    expect((await kilde("restore", "--tenant", "shop-a", "a.db", "--force")).exitCode).toBe(0);
    expect(existsSync(join(cwd, "data/a.db"))).toBe(true);
    expect((await kilde("doctor", "a.db")).stdout).toBe("file:a.db is sound\n");
  });
});
