import { afterAll, beforeAll, expect } from "bun:test";

import { settingsSchema } from "../../../src/config/settings.ts";
import { createLog } from "../../../src/runtime/server/logger.ts";
import { type RunningServer, startServer } from "../../../src/runtime/server/serve.ts";
import { jsonPost } from "../../support/app.ts";
import { type ProxyName, type RunningProxy, startProxy, testBehind } from "../../support/proxies.ts";
import { rawGet } from "../../support/raw-http.ts";

/** Proxies that admit only paths below /shop-a, in front of a server with two tenants. */

let server: RunningServer;
beforeAll(async () => {
  const tenants = ["shop-a", "shop-b"].map((name) => ({ name, path: `/${name}`, databaseUrl: ":memory:" }));
  const settings = {
    ...settingsSchema.parse({ port: 0, accessLog: false, behindProxy: true, open: true, tenants }),
    configFile: null,
    databaseStated: false,
  };
  server = await startServer({ settings, version: "test", log: createLog("silent") });
  for (const tenant of ["shop-a", "shop-b"]) {
    const append = jsonPost({ events: [{ type: `Secret-of-${tenant}` }] });
    expect((await fetch(`http://127.0.0.1:${server.port}/${tenant}/streams/s`, append)).status).toBe(201);
  }
});
afterAll(() => server.close());

const ATTACKS = [
  "/shop-a/\\..\\..\\shop-b/events",
  "/shop-a\\..\\shop-b/events",
  "/shop-a/../shop-b/events",
  "/shop-a/%2e%2e/shop-b/events",
  "/shop-a/..%2fshop-b/events",
  "/shop-a/..%5cshop-b/events",
  "/shop-a/%5c..%5c..%5cshop-b/events",
  "/shop-a//../shop-b/events",
  "/shop-a/x/..\\..\\..\\shop-b/events",
  "/shop-b/streams/s%2f..%2f..%2f..%2fshop-a/",
  "/shop-a/#/../../shop-b/events",
  "/shop-a/;/../../shop-b/events",
  "//shop-b/events",
  "/%73hop-b/events",
];

const CONFIGURATIONS: Record<Exclude<ProxyName, "varnish">, (port: number, folder: string) => string> = {
  nginx: (port, folder) => `
    daemon off; worker_processes 1; pid ${folder}/pid;
    events {}
    http {
      access_log off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
      uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      server {
        listen 127.0.0.1:${port};
        location / { return 403; }
        location /shop-a/ { proxy_pass http://127.0.0.1:${server.port}; }
      }
    }`,
  haproxy: (port) => `
    defaults
      mode http
      timeout connect 5s
      timeout client 10s
      timeout server 10s
    frontend all
      bind 127.0.0.1:${port}
      http-request deny unless { path_beg /shop-a/ }
      default_backend kilde
    backend kilde
      server one 127.0.0.1:${server.port}`,
};

for (const name of ["nginx", "haproxy"] as const) {
  testBehind(name)(`no path gets past ${name} to another tenant`, async () => {
    const proxy: RunningProxy = await startProxy(name, CONFIGURATIONS[name]);
    try {
      const allowed = await rawGet(proxy.port, "/shop-a/events");
      expect(allowed.status).toBe(200);
      expect(allowed.body).toContain("Secret-of-shop-a");
      expect((await rawGet(proxy.port, "/shop-b/events")).status).toBe(403);
      for (const attack of ATTACKS) {
        const { status, body } = await rawGet(proxy.port, attack);
        expect([attack, body.includes("Secret-of-shop-b")]).toEqual([attack, false]);
        expect([attack, [400, 403, 404].includes(status)]).toEqual([attack, true]);
      }
    } finally {
      await proxy.close();
    }
  });
}
