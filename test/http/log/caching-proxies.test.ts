import { afterAll, beforeAll, describe, expect } from "bun:test";

import { createClient } from "../../../src/client/index.ts";
import { type OpenServer, openServer } from "../../support/open-server.ts";
import { type ProxyName, type RunningProxy, startProxy, testBehind } from "../../support/proxies.ts";

/*
 * Clients behind real caching proxies, which keep what `Cache-Control` allows.
 */

let server: OpenServer;
/** Requests that reached the server. */
let requests = 0;
let counted: Bun.Server<undefined>;
beforeAll(async () => {
  server = await openServer({ behindProxy: true, open: true });
  counted = Bun.serve({
    port: 0,
    async fetch(request) {
      requests += 1;
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = method === "GET" || method === "HEAD" ? null : await request.arrayBuffer();
      const init = { method, headers, body, decompress: false };
      return fetch(`http://127.0.0.1:${server.port}${pathname}${search}`, init);
    },
  });
});
afterAll(async () => {
  await counted.stop(true);
  await server.close();
});

const CONFIGURATIONS: Record<Exclude<ProxyName, "haproxy">, (port: number, folder: string) => string> = {
  nginx: (port, folder) => `
    daemon off; worker_processes 1; pid ${folder}/pid;
    events {}
    http {
      access_log off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
      uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      proxy_cache_path ${folder}/cache keys_zone=kilde:1m;
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://127.0.0.1:${counted.port};
          proxy_http_version 1.1;
          proxy_cache kilde;
          proxy_cache_revalidate on;
        }
      }
    }`,
  varnish: () => `
    vcl 4.1;
    backend default { .host = "127.0.0.1"; .port = "${counted.port}"; }`,
};

for (const name of ["nginx", "varnish"] as const) {
  describe(name, () => {
    let proxy: RunningProxy | null = null;
    afterAll(async () => proxy?.close());

    testBehind(name)(
      "a reader sees the log grow, and erased events disappear; full pages come from the cache",
      async () => {
        proxy = await startProxy(name, CONFIGURATIONS[name]);
        const stream = `behind-${name}`;
        const direct = createClient({ url: `http://127.0.0.1:${server.port}` });
        const client = createClient({ url: `http://127.0.0.1:${proxy.port}` });
        const start = await direct.head();
        const read = async (options: object) => {
          const found: number[] = [];
          for await (const { position } of client.read({ ...options, pageSize: 100 })) found.push(position);
          return found;
        };
        let held = 0;
        const expected = () => Array.from({ length: held }, (_, n) => start + n + 1);
        for (const more of [100, 50, 50, 1, 100]) {
          await direct.append(
            stream,
            Array.from({ length: more }, (_, n) => ({ type: "A", data: n })),
          );
          held += more;
          expect((await read({})).filter((position) => position > start)).toEqual(expected());
          expect(await read({ stream })).toEqual(expected());
        }
        // Twice, since varnish has to see that there is something to keep.
        await read({ stream });
        requests = 0;
        expect(await read({ stream })).toEqual(expected());
        // The first page has no key, and the last is not full. The two between are not asked for.
        expect(requests).toBe(2);

        await direct.erase(stream, "asked");
        const after = await read({ stream });
        expect(after).toEqual([start + held + 1]);
      },
      60_000,
    );
  });
}
