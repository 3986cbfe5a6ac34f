import { afterAll, beforeAll, expect } from "bun:test";

import type { ConsoleFiles } from "../../../src/http/service/console.ts";
import { contentFile } from "../../../src/http/service/static-file.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { createTestKey } from "../../support/keys.ts";
import { testInProcess } from "../../support/tested-on.ts";

const FILES: ConsoleFiles = {
  entry: () => Promise.resolve({ script: "start-1.js", style: "console-1.css", icon: "icon-1.svg" }),
  find: (name) =>
    Promise.resolve(name === "start-1.js" ? contentFile("text/javascript", "start()") : undefined),
};

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

let app: TestApp;
beforeAll(async () => {
  app = await openApp({ consoleFiles: FILES });
  await createTestKey(app, ["admin"]);
});
afterAll(() => app.close());

testInProcess(
  "console: every view is the same page, which everyone may load and no cache keeps",
  async () => {
    const paths = ["/console", "/console/streams", "/console/webhooks/abc", "/console/feeds/orders/v2"];
    const texts = await Promise.all(
      paths.map(async (path) => {
        const answer = await app.fetch(path);
        expect([path, answer.status]).toEqual([path, 200]);
        expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
        expect(answer.headers.get("cache-control")).toBe("no-cache");
        return answer.text();
      }),
    );
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain('<script type="module" src="/console/start-1.js"></script>');
    expect(texts[0]).toContain('<link rel="stylesheet" href="/console/console-1.css" />');
  },
);

testInProcess(
  "console: an address that ends with a slash leads to the one without, with its query",
  async () => {
    const addresses = {
      "/console/": "/console",
      "/console/streams/": "/console/streams",
      "/console/streams/?prefix=user%2F&after=a": "/console/streams?prefix=user%2F&after=a",
      "/console/webhooks/a%2Fb/": "/console/webhooks/a%2Fb",
      "/console/feeds/orders/v2/": "/console/feeds/orders/v2",
    };
    for (const [asked, location] of Object.entries(addresses)) {
      const answer = await app.fetch(asked, { redirect: "manual" });
      expect([asked, answer.status, answer.headers.get("location")]).toEqual([asked, 308, location]);
    }
  },
);

testInProcess("console: a slash at the end leads to no other host", async () => {
  for (const asked of ["/console//example.org/", "//example.org/console/", "/console/%2F%2Fexample.org/"]) {
    const { headers } = await app.fetch(asked, { redirect: "manual" });
    expect(headers.get("location") ?? "/console/").toStartWith("/console/");
  }
});

testInProcess(
  "console: the page has the name of the environment, as text, before anybody signs in",
  async () => {
    const named = await openApp({ consoleFiles: FILES, environment: 'a"><script>' });
    expect(await (await named.fetch("/console")).text()).toContain(
      'data-environment="a&quot;&gt;&lt;script&gt;"',
    );
    await named.close();
    expect(await (await app.fetch("/console")).text()).toContain('data-environment=""');
  },
);

testInProcess(
  "console: the page runs no inline code, loads nothing from elsewhere, and is in no frame",
  async () => {
    const { headers } = await app.fetch("/console");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).not.toContain("unsafe");
    expect(policy).not.toContain("*");
    expect(policy.split("; ")).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
      ]),
    );
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  },
);

testInProcess("console: caches keep its files, whose names change with their content", async () => {
  const answer = await app.fetch("/console/start-1.js");
  expect(await answer.text()).toBe("start()");
  expect(answer.headers.get("content-type")).toBe("text/javascript");
  expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect((await app.fetch("/console/start-0.js")).status).toBe(404);
});

testInProcess("console: the root redirects browsers, also before they have signed in", async () => {
  const answer = await app.fetch("/", { headers: { accept: BROWSER } });
  expect([answer.status, answer.headers.get("location")]).toEqual([302, "/console"]);
  expect(answer.headers.get("vary")).toContain("Accept");
});

testInProcess("console: the root answers programs with the index, or refuses them, as before", async () => {
  for (const accept of ["*/*", "application/json", "application/json, text/html;q=0.9"]) {
    const answer = await app.fetch("/", { headers: { accept } });
    expect([accept, answer.status]).toEqual([accept, 401]);
  }
  const open = await openApp({ consoleFiles: FILES });
  const answer = await open.fetch("/", { headers: { accept: "*/*" } });
  expect(await answer.json()).toMatchObject({ name: "kilde", links: { console: "/console" } });
  expect(answer.headers.get("vary")).toContain("Accept");
  await open.close();
});

testInProcess("console: a store without its files has no console, and redirects nobody", async () => {
  const without = await openApp();
  expect((await without.fetch("/console")).status).toBe(404);
  const answer = await without.fetch("/", { headers: { accept: BROWSER } });
  expect(answer.status).toBe(200);
  await without.close();
});
