import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";

import { nameFault } from "../../../src/core/names.ts";
import { jsonPost, openApp, type Problem } from "../../support/app.ts";
import { type OpenServer, openServer } from "../../support/open-server.ts";
import { rawGet } from "../../support/raw-http.ts";

const tenants = ["shop-a", "shop-b"].map((name) => ({ name, path: `/${name}`, databaseUrl: ":memory:" }));

let server: OpenServer;
let url: string;
beforeAll(async () => {
  server = await openServer({ behindProxy: true, open: true, tenants });
  ({ url } = server);
  for (const base of ["", "/shop-a", "/shop-b"]) {
    const type = `At${base.replace("/", "-")}`;
    const made = await fetch(`${url}${base}/streams/s`, jsonPost({ events: [{ type }] }));
    expect(made.status).toBe(201);
  }
});
afterAll(() => server.close());

describe("a path that is not in its one form", () => {
  const refused = [
    "/shop-a/\\..\\..\\shop-b/events",
    "/shop-a\\events",
    "/shop-a/../shop-b/events",
    "/shop-a/%2e%2e/shop-b/events",
    "/shop-a/.%2E/shop-b/events",
    "/shop-a/./events",
    "/shop-a/%2e/events",
    "//shop-a/events",
    "/shop-a//events",
    "/\\shop-a/events",
    "/shop-a/streams/s#x",
    "/shop-a/events?limit=1#x",
    "/shop-a/streams/%",
    "/shop-a/streams/%zz",
    "/shop-a/streams/%2",
    "/shop-a/streams/%c0%af",
    "/shop-a/streams/%C0%AF",
    "/shop-a/streams/%ED%A0%80",
    "/shop-a/streams/%FF",
    "/shop-a/streams/%EF%BF%BD",
    "/shop-a/streams/%73",
    "/shop-a/%73treams/s",
    "/shop%2Da/streams/s",
    "/shop-a/streams/%c3%a6",
    "/shop-b/streams/x%2F..%2F..%2F..%2Fshop-a",
    "/shop-b/streams/x%5C..%5C..%5C..%5Cshop-a",
    "/shop-a/streams/a|b",
    "http://localhost/shop-a/../shop-b/events",
    "http://localhost/shop-a\\..\\shop-b/events",
    "/shop-a/events?type=%zz",
    "/shop-a/events?type=%C0%AF",
    "/events/../events",
    "/events\\",
    "/x/y/z/../../../../../events",
    "/a/b/c/d/e/f/g/h/../../../../../../../../events",
  ];
  test.each(refused)("is refused as it was written: %s", async (target) => {
    const { status, headers, body } = await rawGet(server.port, target);
    expect(status).toBe(400);
    expect(headers.toLowerCase()).toContain("content-type: application/problem+json");
    expect((JSON.parse(body) as Problem).type).toBe("/problems/invalid-target");
  });

  test("is refused when its bytes are not UTF-8", async () => {
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80]]) {
      const target = Buffer.concat([Buffer.from("/streams/a"), Buffer.from(bytes)]);
      expect((await rawGet(server.port, target)).status).toBe(400);
    }
  });
});

describe("a path in its one form", () => {
  const answered: [target: string, type: string][] = [
    ["/streams/s", "At"],
    ["/shop-a/streams/s", "At-shop-a"],
    ["/shop-b/events?limit=5&type=At-shop-b", "At-shop-b"],
    ["http://localhost/shop-b/streams/s", "At-shop-b"],
  ];
  test.each(answered)("is answered by its tenant: %s", async (target, type) => {
    const { status, body } = await rawGet(server.port, target);
    expect(status).toBe(200);
    expect(body).toContain(`"type":"${type}"`);
  });

  test.each(["/shop-a", "/shop-a/", "/", "/health", "/shop-a/health"])("is answered: %s", async (target) => {
    expect((await rawGet(server.port, target)).status).toBe(200);
  });

  test("finds nothing when it is deep", async () => {
    expect((await rawGet(server.port, "/shop-a/b/c/d/e/f/g/h/i/j/k")).status).toBe(404);
  });
});

test("no path is one tenant's for Kilde and another's for a party that decodes and resolves it", async () => {
  const pieces = [
    "shop-a",
    "shop-b",
    "streams",
    "s",
    "/",
    "/",
    "\\",
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "%2f",
    "%5C",
    "%",
  ];
  const path = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => `/${parts.join("")}`);
  const resolved = (text: string) => {
    const decoded = text.replaceAll(/%(2e|2f|5c)/gi, (escape) => decodeURIComponent(escape));
    const kept: string[] = [];
    for (const segment of decoded.replaceAll("\\", "/").split("/")) {
      if (segment === "..") kept.pop();
      else if (segment !== "" && segment !== ".") kept.push(segment);
    }
    return kept[0];
  };
  await fc.assert(
    fc.asyncProperty(path, async (target) => {
      const { status, body } = await rawGet(server.port, target);
      expect(status).toBeLessThan(500);
      if (status === 400) return;
      for (const shop of ["shop-a", "shop-b"]) {
        const isAnswering = body.includes(`"/${shop}/`) || body.includes(`"At-${shop}"`);
        if (isAnswering) expect(resolved(target)).toBe(shop);
      }
    }),
    { numRuns: 300 },
  );
});

test("a stream of any name is at the path that encodeURIComponent writes", async () => {
  const app = await openApp();
  const name = fc
    .oneof(
      fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
      fc
        .array(fc.constantFrom("..", ".", "/", "\\", "a", "%", "%2e", "#", "?", "é"), {
          minLength: 1,
          maxLength: 6,
        })
        .map((parts) => parts.join("")),
    )
    .filter((text) => nameFault(text, 200) === null);
  await fc.assert(
    fc.asyncProperty(name, async (stream) => {
      const path = `/streams/${encodeURIComponent(stream)}`;
      expect((await app.fetch(path, jsonPost({ events: [{ type: "T" }] }))).status).toBe(201);
      const [event] = await app.get<{ subject: string }[]>(`${path}?limit=1`);
      expect(event?.subject).toBe(stream);
    }),
    { numRuns: 200 },
  );
  await app.close();
});

test.each([
  "127.0.0.999",
  "[",
  "a b",
  "é",
  "x:99999",
  "user@h",
  "h/../x",
  "h\\x",
  "h?x",
  "h#x",
  "%41",
  "0x7f.1",
  "127.1",
  "a:b:1",
])("a Host of %s is refused", async (host) => {
  const { status, body } = await rawGet(server.port, "/events", host);
  expect(status).toBe(400);
  if (body !== "") expect((JSON.parse(body) as Problem).type).toBe("/problems/invalid-target");
});

test.each([
  "localhost",
  "localhost:4000",
  "127.0.0.1:1",
  "[::1]:80",
  "my_app",
  "Shop.Example.",
  "xn--nxasmq6b",
])("a Host of %s is answered", async (host) => {
  expect((await rawGet(server.port, "/events", host)).status).toBe(200);
});

test("the docs have no file that is a member of every object", async () => {
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    expect((await rawGet(server.port, `/docs/${name}`)).status).toBe(404);
    expect((await rawGet(server.port, `/problems/${name}`)).status).toBe(404);
    expect((await rawGet(server.port, `/events?${name}=1`)).status).toBe(400);
  }
});
