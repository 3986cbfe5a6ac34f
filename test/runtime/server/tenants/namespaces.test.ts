import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { cleanUp, emptyFolder, run, serve } from "../../../cli/support.ts";
import { eventually } from "../../../support/eventually.ts";
import { hasSqld, type SqldWithNamespaces, startSqldWithNamespaces } from "../../../support/sqld.ts";
import { startTcpProxy } from "../../../support/tcp-proxy.ts";
import { at, configured, FEEDS, type Tenant } from "./support.ts";

cleanUp();

const NAMESPACES = ["shop-a", "shop-b"];

function tenantsOn(urlOf: (namespace: string) => string): string {
  const tenants = NAMESPACES.map((name) => ({ name, path: `/${name}`, databaseUrl: urlOf(name) }));
  return JSON.stringify(tenants);
}

function jwt(claims: object, key: KeyObject): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "EdDSA", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

describe.skipIf(!hasSqld)("tenants on a libSQL server", () => {
  const withSqld = async (flags: readonly string[], use: (sqld: SqldWithNamespaces) => Promise<void>) => {
    const sqld = await startSqldWithNamespaces(NAMESPACES, flags);
    try {
      await use(sqld);
    } finally {
      await sqld.stop();
    }
  };

  test("have a namespace each", () =>
    withSqld([], async ({ urlOf }) => {
      const cwd = await configured(`tenants: ${tenantsOn(urlOf)}, feeds: ${FEEDS}`);
      expect((await run(["migrate"], { cwd })).stdout).toContain("shop-b: applied");
      const server = await serve(cwd);
      const [a, b] = NAMESPACES.map((name) => at(`${server.url}/${name}`)) as [Tenant, Tenant];
      await a.append("count-1", 1, 2);
      await b.append("count-1", 5);
      const sums = async ({ get }: Tenant) =>
        (await get("/feeds/sums/v1/subjects/count-1")).map(({ data }) => data);
      expect([await sums(a), await sums(b)]).toEqual([[{ sum: 1 }, { sum: 3 }], [{ sum: 5 }]]);
      expect((await run(["doctor", "--tenant", "shop-a"], { cwd })).stdout).toEndWith("is sound\n");
    }));

  test("have tokens of their own, which open no other's namespace", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const keyFile = join(emptyFolder(), "jwt.pem");
    await Bun.write(keyFile, publicKey.export({ format: "pem", type: "spki" }));
    const tokenFor = (name: string) => jwt({ p: { rw: { ns: [name] } } }, privateKey);
    await withSqld(["--auth-jwt-key-file", keyFile], async ({ urlOf }) => {
      const server = await serve(await configured(`tenants: ${tenantsOn(urlOf)}`), [], {
        environment: {
          KILDE_TENANT_SHOP_A_DATABASE_AUTH_TOKEN: tokenFor("shop-a"),
          KILDE_TENANT_SHOP_B_DATABASE_AUTH_TOKEN: tokenFor("shop-a"),
          KILDE_DATABASE_AUTH_TOKEN: jwt({}, privateKey),
        },
      });
      const [a, b] = NAMESPACES.map((name) => at(`${server.url}/${name}`)) as [Tenant, Tenant];
      expect([(await a.append("x", 1)).status, (await b.append("x", 1)).status]).toEqual([201, 503]);
    });
  });

  test("are served when they are there, after they were away at the start or did not answer", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    await withSqld([], async ({ urlOf, url }) => {
      const proxy = await startTcpProxy(url);
      proxy.set({ kind: "refusing" });
      const away = `http://shop-a.localhost:${new URL(proxy.url).port}`;
      const settings = `tenants: [
        { name: "away", path: "/away", databaseUrl: "${away}" },
        { name: "silent", path: "/silent", databaseUrl: "http://localhost:${port}" },
        { name: "there", path: "/there", databaseUrl: "${urlOf("shop-b")}" },
      ]`;
      const server = await serve(await configured(settings));
      const tenant = (name: string) => at(`${server.url}/${name}`);
      expect((await tenant("there").append("x", 1)).status).toBe(201);
      for (const name of ["away", "silent"]) expect((await tenant(name).append("x", 1)).status).toBe(503);
      proxy.set({ kind: "fine" });
      await eventually(async () => (await tenant("away").fetch("/ready")).status === 200);
      expect((await tenant("away").append("x", 1)).status).toBe(201);
      proxy.set({ kind: "refusing" });
      expect((await tenant("away").fetch("/events")).status).toBe(503);
      expect((await tenant("there").append("x", 2)).status).toBe(201);
      expect((await server.stop()).exitCode).toBe(0);
      await proxy.stop();
    });
    silent.close();
  });
});
