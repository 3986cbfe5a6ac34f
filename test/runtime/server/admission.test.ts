import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { z } from "zod";

import type { Admission } from "../../../src/access/admission.ts";
import { type KildeConfig, settingsSchema } from "../../../src/config/settings.ts";
import { defineFeed } from "../../../src/feeds/define/define.ts";
import { createLog } from "../../../src/runtime/server/logger.ts";
import { type RunningServer, startServer } from "../../../src/runtime/server/serve.ts";
import { jsonPost } from "../../support/app.ts";
import { writeCertificate } from "../../support/certificate.ts";
import { eventually } from "../../support/eventually.ts";
import { createOfflineKey } from "../../support/offline-keys.ts";

setDefaultTimeout(60_000);

const folders: string[] = [];
const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kilde-admission-"));
  folders.push(folder);
  return folder;
}

async function start(config: KildeConfig): Promise<RunningServer> {
  const settings = {
    ...settingsSchema.parse({ port: 0, accessLog: false, ...config }),
    configFile: null,
    databaseStated: config.databaseUrl !== undefined,
  };
  const server = await startServer({ settings, version: "test", log: createLog("silent") });
  servers.push(server);
  return server;
}

/** Calls a server at a path; `token`: a key's. */
function caller({ port }: RunningServer, scheme = "http") {
  return async (path: string, { headers, ...init }: RequestInit = {}, token?: string) => {
    const sent = new Headers(headers);
    if (token !== undefined) sent.set("Authorization", `Bearer ${token}`);
    const tls = { rejectUnauthorized: false };
    const response = await fetch(`${scheme}://127.0.0.1:${port}${path}`, { ...init, headers: sent, tls });
    await response.arrayBuffer();
    return response.status;
  };
}

interface Case {
  readonly host: string;
  readonly behindProxy?: boolean;
  readonly open?: boolean;
  readonly tls?: boolean;
  readonly hasKey?: boolean;
  readonly admission: Admission;
}

const LOCAL = "127.0.0.1";
const ALL = "0.0.0.0";

const CASES: readonly Case[] = [
  { host: LOCAL, admission: "open" },
  { host: LOCAL, open: true, admission: "open" },
  { host: LOCAL, tls: true, admission: "open" },
  { host: LOCAL, hasKey: true, admission: "closed" },
  { host: LOCAL, hasKey: true, open: true, admission: "closed" },
  { host: LOCAL, behindProxy: true, admission: "unsecured" },
  { host: LOCAL, behindProxy: true, open: true, admission: "open" },
  { host: LOCAL, behindProxy: true, hasKey: true, admission: "closed" },
  { host: LOCAL, behindProxy: true, open: true, hasKey: true, admission: "closed" },
  { host: ALL, behindProxy: true, admission: "unsecured" },
  { host: ALL, behindProxy: true, open: true, admission: "open" },
  { host: ALL, behindProxy: true, hasKey: true, admission: "closed" },
  { host: ALL, open: true, admission: "open" },
  { host: ALL, open: true, hasKey: true, admission: "closed" },
  { host: ALL, tls: true, admission: "unsecured" },
  { host: ALL, tls: true, open: true, admission: "open" },
  { host: ALL, tls: true, hasKey: true, admission: "closed" },
];

/** Answers without credentials, and with a key: of /health, /ready, a read and an append. */
const ANSWERS: Readonly<Record<Admission, [anonymous: number[], withKey: number[]]>> = {
  open: [
    [200, 200, 200, 201],
    [200, 200, 200, 201],
  ],
  closed: [
    [200, 200, 401, 401],
    [200, 200, 200, 201],
  ],
  unsecured: [
    [200, 403, 403, 403],
    [200, 403, 403, 403],
  ],
};

const APPEND = jsonPost({ events: [{ type: "Opened" }] });

describe("who may call a server", () => {
  for (const { host, behindProxy = false, open = false, tls = false, hasKey = false, admission } of CASES) {
    const facts = [behindProxy && "behind a proxy", open && "asked to be open", tls && "with TLS"];
    const name = [host, ...facts, hasKey ? "with a key" : "without keys"].filter(Boolean).join(", ");
    test(`${name}: ${admission}`, async () => {
      const folder = emptyFolder();
      const databaseUrl = `file:${join(folder, "kilde.db")}`;
      const key = hasKey ? await createOfflineKey(databaseUrl) : null;
      if (tls) await writeCertificate(folder, "kilde.example");
      const files = { tlsCert: join(folder, "server.pem"), tlsKey: join(folder, "server.key") };
      const server = await start({ host, behindProxy, open, databaseUrl, ...(tls ? files : {}) });
      expect(server.admission).toBe(admission);
      const call = caller(server, tls ? "https" : "http");
      const answers = async (token?: string) => [
        await call("/health", {}, token),
        await call("/ready", {}, token),
        await call("/events", {}, token),
        await call("/streams/a", APPEND, token),
      ];
      expect([await answers(), await answers(key?.token ?? "any")]).toEqual(ANSWERS[admission]);
    });
  }
});

test("a server that no key secures serves no public feed either", async () => {
  const user = z.object({ name: z.string() });
  const published = defineFeed({
    name: "users",
    version: 1,
    access: "public",
    events: { UserRegistered: user },
    contract: { UserNamed: user },
    publish: { UserRegistered: ({ data }) => ({ type: "UserNamed", data }) },
  });
  const databaseUrl = `file:${join(emptyFolder(), "kilde.db")}`;
  const call = caller(await start({ behindProxy: true, databaseUrl, feeds: [published] }));
  const parts = ["", "/status", "/schemas", "/subjects", "/subjects/a", "/none"];
  const statuses = () => Promise.all(parts.map((part) => call(`/feeds/users/v1${part}`)));
  expect(await statuses()).toEqual([403, 403, 403, 403, 403, 403]);
  await createOfflineKey(databaseUrl);
  await eventually(async () => (await call("/feeds/users/v1")) === 200);
  expect(await statuses()).toEqual([200, 200, 200, 200, 404, 401]);
});

test("an open server is closed within 5 s after a key was created on its database, and stays closed", async () => {
  const databaseUrl = `file:${join(emptyFolder(), "kilde.db")}`;
  const call = caller(await start({ databaseUrl }));
  expect(await call("/events")).toBe(200);
  const key = await createOfflineKey(databaseUrl);
  const created = performance.now();
  await eventually(async () => (await call("/events")) === 401);
  expect(performance.now() - created).toBeLessThan(5_000);
  expect(await call("/events", {}, key.token)).toBe(200);
  await key.revoke();
  await eventually(async () => (await call("/events", {}, key.token)) === 401);
  expect(await call("/events")).toBe(401);
  await servers.pop()?.close();
  const again = await start({ databaseUrl, open: true });
  expect([again.admission, await caller(again)("/events")]).toEqual(["closed", 401]);
});

test("the first key works at once, and a request with it closes an open server", async () => {
  const databaseUrl = `file:${join(emptyFolder(), "kilde.db")}`;
  const call = caller(await start({ databaseUrl }));
  await Bun.sleep(200);
  const key = await createOfflineKey(databaseUrl, ["read:/streams/a"]);
  expect(await call("/streams/a", APPEND, key.token)).toBe(403);
  expect(await call("/events")).toBe(401);
});

test("a request to a loopback address by another name is misdirected, also at a closed store", async () => {
  const databaseUrl = `file:${join(emptyFolder(), "kilde.db")}`;
  const key = await createOfflineKey(databaseUrl);
  const call = caller(await start({ databaseUrl }));
  expect(await call("/events", { headers: { Host: "evil.example" } }, key.token)).toBe(421);
});

test("too many failures get 429 with Retry-After; public operations and valid keys are answered as ever", async () => {
  const databaseUrl = `file:${join(emptyFolder(), "kilde.db")}`;
  const { token } = await createOfflineKey(databaseUrl);
  for (const behindProxy of [false, true]) {
    const server = await start({ databaseUrl, behindProxy });
    const ask = (path: string, sent: string, address = "192.0.2.7") =>
      fetch(`http://127.0.0.1:${server.port}${path}`, {
        headers: { Authorization: `Bearer ${sent}`, "X-Forwarded-For": `203.0.113.9, ${address}` },
      });
    for (let n = 0; n < 20; n += 1) expect((await ask("/events", "wrong")).status).toBe(401);
    const refused = await ask("/events", "wrong");
    expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([429, true]);
    expect(await refused.json()).toMatchObject({ type: "/problems/too-many-failures" });
    expect((await ask("/health", "wrong")).status).toBe(200);
    expect((await ask("/events", token)).status).toBe(200);
    // Without a proxy in front, a client cannot choose its address.
    expect((await ask("/events", "wrong", "192.0.2.8")).status).toBe(behindProxy ? 401 : 429);
  }
});

describe("tenants", () => {
  const tenantsIn = (folder: string): KildeConfig["tenants"] => [
    { name: "a", path: "/a", databaseUrl: `file:${join(folder, "a.db")}` },
    { name: "b", host: "b.localhost", databaseUrl: `file:${join(folder, "b.db")}` },
  ];
  const atB = { headers: { Host: "b.localhost" } };

  test("all are closed by the first key of one, also when it is revoked and the others are served alone", async () => {
    const folder = emptyFolder();
    const tenants = tenantsIn(folder);
    const server = await start({ tenants });
    const call = caller(server);
    expect([server.admission, await call("/a/events"), await call("/events", atB)]).toEqual([
      "open",
      200,
      200,
    ]);
    const key = await createOfflineKey(`file:${join(folder, "a.db")}`);
    const created = performance.now();
    await eventually(async () => (await call("/events", atB)) === 401 && (await call("/a/events")) === 401);
    expect(performance.now() - created).toBeLessThan(5_000);
    await key.revoke();
    // The other database is marked too, so it stays closed without the first one.
    await eventually(async () => {
      const alone = await start({ databaseUrl: `file:${join(folder, "b.db")}` });
      await servers.pop()?.close();
      return alone.admission === "closed";
    });
  });

  test("the key of one means nothing to another, by whatever address it is sent", async () => {
    const folder = emptyFolder();
    const key = await createOfflineKey(`file:${join(folder, "a.db")}`);
    const call = caller(await start({ tenants: tenantsIn(folder) }));
    expect(await call("/a/events", {}, key.token)).toBe(200);
    expect(await call("/a/streams/x", APPEND, key.token)).toBe(201);
    const others: readonly (readonly [path: string, init: RequestInit])[] = [
      ["/events", atB],
      ["/a/events", atB],
      ["/streams/x", { ...APPEND, headers: { "Content-Type": "application/json", ...atB.headers } }],
      ["/events", { headers: { Host: "B.LOCALHOST" } }],
      ["/events", { headers: { Host: "b.localhost." } }],
      ["/events", { headers: { Host: "b.localhost:1" } }],
      ["/events", {}],
      ["/metrics", {}],
      ["/metrics", atB],
      ["/A/events", {}],
      ["/%61/events", {}],
      ["/a%2Fevents", {}],
      ["/a/..%2Fevents", atB],
      ["/a/%2E%2E/events", atB],
      ["/b/events", {}],
    ];
    for (const [path, init] of others) {
      const status = await call(path, init, key.token);
      expect([path, init.headers, [400, 401, 421].includes(status)]).toEqual([path, init.headers, true]);
    }
  });

  test("everyone has the status of the process; its metrics and tenants are for the holder of metricsToken", async () => {
    const folder = emptyFolder();
    const key = await createOfflineKey(`file:${join(folder, "a.db")}`);
    const metricsToken = "a-token-of-at-least-32-characters-x";
    const { port } = await start({ tenants: tenantsIn(folder), metricsToken });
    const ask = async (path: string, token?: string) => {
      const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      return [response.status, await response.text()] as const;
    };
    expect((await ask("/health"))[0]).toBe(200);
    expect(await ask("/ready")).toEqual([200, '{"status":"ready"}']);
    expect((await ask("/metrics"))[0]).toBe(401);
    expect((await ask("/metrics", key.token))[0]).toBe(401);
    expect((await ask("/metrics", `${metricsToken}x`))[0]).toBe(401);
    const [status, text] = await ask("/metrics", metricsToken);
    expect(status).toBe(200);
    expect(text).toContain('kilde_tenant_up{tenant="b"} 1');
    expect((await ask("/ready", metricsToken))[1]).toContain('"tenants":{"a":');
    // Nobody learns from it which tenants there are.
    expect((await ask("/other/events"))[0]).toBe(401);
    expect((await ask("/a/events", metricsToken))[0]).toBe(401);
    expect((await ask("/a/metrics", key.token))[0]).toBe(200);
  });

  test("without metricsToken, the metrics of a process with keys are closed", async () => {
    const folder = emptyFolder();
    const key = await createOfflineKey(`file:${join(folder, "a.db")}`);
    const call = caller(await start({ tenants: tenantsIn(folder) }));
    for (const token of [undefined, key.token, "undefined"])
      expect(await call("/metrics", {}, token)).toBe(401);
  });
});
