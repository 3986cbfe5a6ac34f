import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { OWN_ROOTS } from "../../src/core/own-paths.ts";
import { type Route, routePath } from "../../src/http/operation.ts";
import { OPERATIONS, ROUTES } from "../../src/http/operations.ts";
import type { ConsoleFiles } from "../../src/http/service/console.ts";
import type { Docs } from "../../src/http/service/docs.ts";
import { contentFile } from "../../src/http/service/static-file.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { testInProcess } from "../support/tested-on.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

interface DescribedOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly security: readonly object[];
  readonly responses: Readonly<Record<string, object>>;
}

interface OpenApi {
  readonly paths: Record<string, Record<string, DescribedOperation>>;
  readonly tags: readonly { name: string; description: string }[];
}

/** A path with a value for each parameter. No such thing exists; the router matches the path all the same. */
function pathOf(template: string): string {
  return template.replace("v{version}", "v1").replaceAll(/\{\w+\}/g, "none");
}

test("the document describes exactly the operations of the registry", async () => {
  const { paths, tags } = await app.get<OpenApi>("/openapi.json");
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => `${operationId}: ${method} ${path}`),
  );
  const registered = OPERATIONS.map(({ id, method, path }) => `${id}: ${method} ${path}`);
  expect(described.toSorted()).toEqual(registered.toSorted());
  expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
  const used = new Set(
    Object.values(paths).flatMap((methods) => Object.values(methods).flatMap((o) => o.tags)),
  );
  expect(tags.map(({ name }) => name).toSorted()).toEqual([...used].toSorted());
});

test("each operation states who may send it, and how it refuses others", async () => {
  const { paths } = await app.get<OpenApi>("/openapi.json");
  for (const { id, method, path, access } of OPERATIONS) {
    const described = paths[path]?.[method];
    if (described === undefined) throw new Error(`${id} is not described`);
    const { description, security, responses } = described;
    const isPublic = access === "always" || access === "public";
    const needs = typeof access === "object" ? access.needs : access;
    const sentence = isPublic
      ? "no credentials"
      : access === "known"
        ? "any valid credentials"
        : `\`${needs}\``;
    expect([id, description]).toEqual([id, expect.stringMatching(/Needs [^.]+\.$/)]);
    expect([id, description]).toEqual([id, expect.stringContaining(`Needs ${sentence}.`)]);
    expect([id, security]).toEqual([id, isPublic ? [] : [{ bearer: [] }, { session: [] }, {}]]);
    expect([id, "401" in responses, "403" in responses]).toEqual([id, !isPublic, !isPublic]);
  }
});

test("the router serves the methods that the document describes, and refuses others", async () => {
  const { paths } = await app.get<OpenApi>("/openapi.json");
  for (const [path, methods] of Object.entries(paths)) {
    const described = Object.keys(methods).map((method) => method.toUpperCase());
    const head = described.includes("GET") ? ["HEAD"] : [];
    const options = await app.fetch(pathOf(path), { method: "OPTIONS" });
    expect([path, (options.headers.get("allow") ?? "").split(", ").toSorted()]).toEqual([
      path,
      [...described, ...head, "OPTIONS"].toSorted(),
    ]);
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      if (described.includes(method)) continue;
      expect([path, method, (await app.fetch(pathOf(path), { method })).status]).toEqual([path, method, 405]);
    }
  }
});

test("every path that no tenant may have has a route below it", () => {
  const roots = new Set(ROUTES.map(({ path }) => path.split("/")[1] ?? ""));
  roots.delete("");
  expect([...roots].toSorted()).toEqual(OWN_ROOTS.toSorted());
});

/** The routes that /openapi.json does not describe. */
const PAGES: readonly Route[] = ROUTES.filter(
  (route) => !OPERATIONS.some((operation) => operation === route),
);

const CONSOLE_FILES: ConsoleFiles = {
  entry: () => Promise.resolve({ script: "start-1.js", style: "console-1.css", icon: "icon-1.svg" }),
  find: (name) => Promise.resolve(name === "start-1.js" ? contentFile("text/javascript", "1") : undefined),
};

testInProcess("a store with documentation serves its pages, and names them in the index", async () => {
  const docs: Docs = {
    find: (path) => Promise.resolve(contentFile("text/plain", `file ${path}`)),
  };
  const documented = await openApp({ docs, consoleFiles: CONSOLE_FILES });
  expect(PAGES.map(routePath)).toEqual([
    "/docs",
    "/docs/:page",
    "/docs/:section/:page",
    "/docs/",
    "/console",
    "/console/:page",
    "/console/:page/:name",
    "/console/:page/:name/:version",
    "/console/",
    "/console/:page/",
    "/console/:page/:name/",
    "/console/:page/:name/:version/",
  ]);
  for (const { path } of PAGES) {
    const page = await documented.fetch(pathOf(path));
    expect([path, page.status]).toEqual([path, path.endsWith("/") ? 308 : 200]);
    const refused = await documented.fetch(pathOf(path), { method: "POST" });
    expect([path, refused.status, refused.headers.get("allow")]).toEqual([path, 405, "GET, HEAD, OPTIONS"]);
    expect([path, (await app.fetch(pathOf(path))).status]).toEqual([path, 404]);
  }
  expect(await (await documented.fetch("/docs/start/first-stream")).text()).toBe("file start/first-stream");
  const { links } = await documented.get<{ links: Record<string, string> }>("/");
  expect(links["docs"]).toBe("/docs");
  await documented.close();
});

test("the reference of the API lists every route", async () => {
  const text = await Bun.file(join(import.meta.dir, "../../src/docs/reference/http.md")).text();
  const missing = ROUTES.filter(({ method, path }) => !text.includes(`\`${method.toUpperCase()} ${path}\``));
  expect(missing).toEqual([]);
});

test("the index names the environment that the settings name", async () => {
  expect(await app.get<object>("/")).toMatchObject({ environment: null });
  const named = await openApp({ environment: "production" });
  expect(await named.get<object>("/")).toMatchObject({ environment: "production" });
  await named.close();
});

test("the index leads to paths of the document", async () => {
  const { links } = await app.get<{ links: Record<string, string> }>("/");
  const { paths } = await app.get<OpenApi>("/openapi.json");
  expect(Object.keys(links).toSorted()).toEqual([
    "append",
    "appends",
    "asyncapi",
    "changes",
    "events",
    "feeds",
    "health",
    "keys",
    "metrics",
    "openapi",
    "operations",
    "overview",
    "ready",
    "session",
    "stream",
    "streams",
    "subscriptions",
    "transactions",
  ]);
  expect(Object.values(links).filter((path) => !(path in paths))).toEqual([]);
});
