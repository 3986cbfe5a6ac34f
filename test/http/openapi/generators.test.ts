import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { openApp, type Problem, type TestApp } from "../../support/app.ts";

/**
 * Rules that generators of clients require of /openapi.json. oapi-codegen, ogen, openapi-python-client and
 * openapi-typescript generate from the document without patches; one of them needs each rule.
 */

interface Node {
  readonly [member: string]: unknown;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: Node;
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly responses: Record<string, { readonly headers?: Record<string, unknown> }>;
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Node & { properties?: Record<string, Node> }> };
}

let app: TestApp;
let document: Document;
beforeAll(async () => {
  app = await openApp();
  document = await app.get<Document>("/openapi.json");
});
afterAll(() => app.close());

function nodesOf(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesOf);
  if (typeof value !== "object" || value === null) return [];
  return [value as Node, ...Object.values(value).flatMap(nodesOf)];
}

function operation(method: string, path: string): Operation {
  const found = document.paths[path]?.[method];
  if (found === undefined) throw new Error(`${method} ${path} is not described`);
  return found;
}

function parameter(method: string, path: string, name: string): Node {
  const found = operation(method, path).parameters?.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${method} ${path} has no parameter ${name}`);
  return found.schema;
}

test("a schema has one type, and null at most beside it", () => {
  const types = nodesOf(document).flatMap(({ type }) => (Array.isArray(type) ? [type] : []));
  expect(types.length).toBeGreaterThan(10);
  expect(types.filter((each) => each.length !== 2 || each[1] !== "null")).toEqual([]);
});

test("unions are exclusive, and have at most one object", () => {
  expect(nodesOf(document).filter((node) => "anyOf" in node)).toEqual([]);
  const unions = nodesOf(document).flatMap(({ oneOf }) => (Array.isArray(oneOf) ? [oneOf as Node[]] : []));
  expect(unions.length).toBeGreaterThan(2);
  for (const union of unions) {
    const kinds = union.map(({ type }) => type);
    expect(new Set(kinds).size).toBe(kinds.length);
  }
});

test("no component is null, so that a reference to one is not", () => {
  const nullable = Object.entries(document.components.schemas).filter(([, { type }]) => Array.isArray(type));
  expect(nullable).toEqual([]);
});

test("no default is an object, and none is of a union", () => {
  const complex = nodesOf(document.components).filter(
    (node) => "default" in node && (typeof node["default"] === "object" || "oneOf" in node),
  );
  expect(complex.filter((node) => node["default"] !== null)).toEqual([]);
});

test("no body of an operation with several is a list, which openapi-python-client cannot distinguish", () => {
  const bodies = nodesOf(document.paths).flatMap(({ requestBody }) => {
    const { content = {} } = (requestBody ?? {}) as { content?: Record<string, { schema: Node }> };
    return Object.keys(content).length > 1 ? Object.values(content) : [];
  });
  expect(bodies.length).toBeGreaterThan(1);
  expect(bodies.filter(({ schema }) => schema["type"] === "array")).toEqual([]);
});

test("the parameters of an operation have different names, in whichever case", () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      const names = parameters.map(({ name }) => name.replaceAll("-", "").toLowerCase());
      expect([method, path, names.length]).toEqual([method, path, new Set(names).size]);
    }
  }
});

test("whole numbers state their range", () => {
  const { pageEvents, timeoutMs } = DEFAULT_LIMITS;
  expect(parameter("get", "/events", "limit")).toMatchObject({
    type: "integer",
    minimum: 1,
    maximum: pageEvents,
  });
  expect(parameter("get", "/events", "timeout")).toMatchObject({ minimum: 0, maximum: timeoutMs });
  expect(parameter("get", "/subscriptions", "limit")).toMatchObject({ minimum: 1, maximum: pageEvents });
  expect(parameter("get", "/streams/{stream}", "afterVersion")).toMatchObject({
    type: "integer",
    minimum: 0,
  });
  expect(parameter("delete", "/streams/{stream}", "before")).toMatchObject({ type: "integer", minimum: 1 });
});

test("names and cursors state their form, as a pattern of JavaScript, Python and Go", () => {
  const { pattern, minLength } = parameter("post", "/streams/{stream}", "stream");
  expect(minLength).toBe(1);
  const names = new RegExp(String(pattern));
  expect(["user-1", "å/b", "a\u0000b", "a\nb", ""].map((name) => names.test(name))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  const cursors = new RegExp(String(parameter("get", "/events", "lastEventId")["pattern"]));
  const texts = ["7", "7-0123456789abcdef", "null", "-1", "7-", "x"];
  expect(texts.map((text) => cursors.test(text))).toEqual([true, true, true, false, false, false]);
  expect(document.components.schemas["NewEvent"]?.properties?.["type"]).toMatchObject({ pattern, minLength });
});

test("a filter of types is a list", () => {
  expect(parameter("get", "/events", "type")).toMatchObject({ type: "array", items: { type: "string" } });
});

test("the headers of answers are declared, and so is 304", () => {
  const declared = (method: string, path: string, status: string) =>
    Object.keys(operation(method, path).responses[status]?.headers ?? {});
  expect(declared("post", "/streams/{stream}", "201")).toEqual(
    expect.arrayContaining(["ETag", "Location", "Kilde-Log", "Kilde-Position"]),
  );
  for (const path of ["/events", "/streams/{stream}", "/feeds/{feed}/v{version}"]) {
    const page = ["ETag", "Link", "Kilde-Head", "Kilde-Log"];
    expect(declared("get", path, "200")).toEqual(expect.arrayContaining(page));
    expect(declared("get", path, "304")).toEqual(expect.arrayContaining(page));
  }
  expect(declared("post", "/subscriptions", "201")).toContain("Location");
  expect(declared("get", "/streams", "200")).toContain("Link");
});

test("answers have the headers that are declared for them", async () => {
  await app.append("a", { type: "A" });
  const page = await app.fetch("/events");
  const { headers = {} } = operation("get", "/events").responses["200"] ?? {};
  const missing = Object.keys(headers).filter((name) => name !== "Kilde-End" && !page.headers.has(name));
  expect(missing).toEqual([]);
  const known = await app.fetch("/events", { headers: { "if-none-match": page.headers.get("etag") ?? "" } });
  expect(known.status).toBe(304);
});

describe("a request outside of the description", () => {
  test.each(["-1", "0", "1.5", "x", String(DEFAULT_LIMITS.pageEvents + 1), "9".repeat(17)])(
    "is refused with the allowed values: limit=%s",
    async (limit) => {
      const response = await app.fetch(`/events?limit=${limit}`);
      expect(response.status).toBe(400);
      const detail = `must be a whole number from 1 to ${DEFAULT_LIMITS.pageEvents}`;
      expect(((await response.json()) as Problem).errors).toEqual([{ parameter: "limit", detail }]);
    },
  );

  test("is refused with the allowed values: a change of a subscription without a body", async () => {
    const body = JSON.stringify({ source: "/events", url: "http://127.0.0.1:1/" });
    const headers = { "content-type": "application/json" };
    const created = await app.fetch("/subscriptions", { method: "POST", headers, body });
    const path = created.headers.get("location") ?? "";
    expect((await app.fetch(path, { method: "PATCH" })).status).toBe(422);
    expect((await app.fetch(path, { method: "PATCH", headers, body: "{}" })).status).toBe(200);
    expect((await app.fetch(`${path}/pause`, { method: "POST" })).status).toBe(200);
  });

  test("is refused with the allowed values: a subscription that starts at two places, or at none", async () => {
    for (const start of [{}, { position: 1, time: "2026-01-01T00:00:00Z" }, "later", { position: -1 }]) {
      const body = JSON.stringify({ source: "/events", url: "http://127.0.0.1:1/", start });
      const headers = { "content-type": "application/json" };
      const response = await app.fetch("/subscriptions", { method: "POST", headers, body });
      expect([start, response.status]).toEqual([start, 422]);
      const [error] = ((await response.json()) as Problem).errors ?? [];
      expect(error?.pointer?.startsWith("/start")).toBe(true);
    }
  });
});
