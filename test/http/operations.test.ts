import { afterAll, beforeAll, expect, test } from "bun:test";

import { OWN_ROOTS } from "../../src/core/own-paths.ts";
import { OPERATIONS } from "../../src/http/operations.ts";
import { openApp, type TestApp } from "../support/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

interface OpenApi {
  readonly paths: Record<string, Record<string, { operationId: string; tags: string[]; summary: string }>>;
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

test("every path that no tenant may have has an operation or the documentation below it", () => {
  const roots = new Set(OPERATIONS.map(({ path }) => path.split("/")[1] ?? ""));
  roots.delete("");
  expect([...roots, "docs"].toSorted()).toEqual(OWN_ROOTS.toSorted());
});

test("the index leads to paths of the document", async () => {
  const { links } = await app.get<{ links: Record<string, string> }>("/");
  const { paths } = await app.get<OpenApi>("/openapi.json");
  expect(Object.keys(links).toSorted()).toEqual([
    "append",
    "asyncapi",
    "events",
    "feeds",
    "health",
    "metrics",
    "openapi",
    "ready",
    "stream",
    "streams",
    "subscriptions",
    "transactions",
  ]);
  expect(Object.values(links).filter((path) => !(path in paths))).toEqual([]);
});
