import { expect, test } from "bun:test";

import { cleanUp, emptyFolder, serve } from "../../cli/support.ts";

cleanUp();

test("docs: a server shows the guide, and the API browser beside it", async () => {
  const server = await serve(emptyFolder());
  for (const [path, text] of [
    ["/docs", "<h1"],
    ["/docs/start/first-stream", "Your first stream"],
    ["/docs/api", "swagger-ui-bundle.js"],
    ["/docs/api.css", "dark-mode"],
    ["/docs/icon.svg", "<svg"],
    ["/docs/search.js", "search-index.json"],
    ["/docs/search-index.json", '"storedFields"'],
  ] as const) {
    const response = await fetch(server.url + path);
    expect([path, response.status]).toEqual([path, 200]);
    expect(await response.text()).toContain(text);
  }
});

test("docs: a slash at the end leads to the home page", async () => {
  const server = await serve(emptyFolder());
  const response = await fetch(`${server.url}/docs/`);
  expect([response.status, response.redirected, response.url]).toEqual([200, true, `${server.url}/docs`]);
});

test("docs: pages run only scripts of the server", async () => {
  const server = await serve(emptyFolder());
  for (const path of ["/docs", "/docs/api", "/docs/start/first-stream"]) {
    const policy = (await fetch(server.url + path)).headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'; script-src 'self';");
  }
});

test("docs: other paths are not found", async () => {
  const server = await serve(emptyFolder());
  for (const path of ["/docs/nothing", "/docs/start/nothing", "/docs/start", "/docs/start/first-stream/x"]) {
    expect([path, (await fetch(server.url + path)).status]).toEqual([path, 404]);
  }
});
