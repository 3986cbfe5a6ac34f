import { describe, expect, test } from "bun:test";

import { runsOn } from "../../support/tested-on.ts";
import { PUBLIC } from "../../webhooks/receive/support.ts";
import { app, HOOK, openAppForEach, post, problemOf, refused } from "./subscribing.ts";

runsOn(["memory", "sqld", "worker"]);
openAppForEach();

describe("bad input", () => {
  test.each<[object, string, RegExp]>([
    [{ url: "hooks.example.org" }, "/url", /must be a URL/],
    [{ url: "" }, "/url", /must be a URL/],
    [{ url: 7 }, "/url", /string/],
    [{ url: "ftp://hooks.example.org/" }, "/url", /http/],
    [{ url: "https://ida:secret@hooks.example.org/" }, "/url", /user name/],
    [{ url: "http://10.0.0.1/" }, "/url", /private/],
    [{ url: "http://2130706434/" }, "/url", /private/],
    [{ url: "http://localhost./" }, "/url", /private/],
    [{ url: "http://[::ffff:169.254.169.254]/" }, "/url", /private/],
    [{ url: `https://a.test/${"x".repeat(2_048)}` }, "/url", /2048/],
    [{ source: "/streams/user-1" }, "/source", /no log/],
    [{ source: "/feeds/orders/v2" }, "/source", /no log/],
    [{ source: "events" }, "/source", /no log/],
    [{ types: [] }, "/types", /./],
    [{ types: ["A", ""] }, "/types/1", /./],
    [{ types: "A" }, "/types", /array/],
    [{ subjectPrefix: "x".repeat(257) }, "/subjectPrefix", /256/],
    [{ mode: "burst" }, "/mode", /single/],
    [{ mode: "batch", batch: { events: 0 } }, "/batch/events", /./],
    [{ mode: "batch", batch: { size: 1 } }, "/batch/size", /Not known/],
    [{ concurrency: 0 }, "/concurrency", /./],
    [{ concurrency: 1_000 }, "/concurrency", /256/],
    [{ attempts: 0 }, "/attempts", /./],
    [{ headers: { "Webhook-Id": "1" } }, "/headers", /set by the sender/],
    [{ headers: { Host: "a" } }, "/headers", /set by the sender/],
    [{ headers: { "X-A": "a\r\nX-B: b" } }, "/headers", /control characters/],
    [{ headers: { "X A": "a" } }, "/headers", /not a header name/],
    [{ headers: { "X-A": "1", "x-a": "2" } }, "/headers", /twice/],
    [{ handshake: { origin: "not a name" } }, "/handshake/origin", /./],
    [{ secret: "whsec_abc" }, "/secret", /./],
    [{ secret: PUBLIC }, "/secret", /./],
    [{ signature: "rsa" }, "/signature", /./],
    [{ start: "yesterday" }, "/start", /beginning/],
    [{ start: { position: -1 } }, "/start/position", />=0/],
    [{ start: { time: "yesterday" } }, "/start/time", /RFC 3339/],
    [{ start: { time: "2026-02-01T12:00:00" } }, "/start/time", /offset/],
    [{ colour: "red" }, "/colour", /Not known/],
  ])("%j is refused at %s", async (body, pointer, detail) => {
    const problem = await refused(body);
    expect(problem).toMatchObject({ type: "/problems/invalid-body", status: 422, errors: [{ pointer }] });
    expect(problem.errors?.[0]?.detail).toMatch(detail);
    expect(await app.get("/subscriptions")).toEqual({ subscriptions: [] } as never);
  });

  test("a refused start beyond the head states the head", async () => {
    expect(await refused({ start: { position: 5 } })).toMatchObject({
      type: "/problems/cursor-beyond-head",
      status: 400,
      head: 4,
    });
  });

  test("a secret that is refused is not repeated", async () => {
    const secret = `whsec_${"!".repeat(8)}c2VjcmV0`;
    expect(JSON.stringify(await refused({ secret }))).not.toContain(secret.slice(6));
  });

  test.each(["null", "[]", '"text"', "7"])("the body %s is no subscription", async (body) => {
    expect(await problemOf(post("/subscriptions", body))).toMatchObject({ type: "/problems/invalid-body" });
  });

  test("a body that is not JSON, or has a member twice, is reported as such", async () => {
    for (const body of ["{", `{"url":"${HOOK}","url":"http://10.0.0.1/"}`]) {
      expect(await problemOf(post("/subscriptions", body))).toMatchObject({
        type: "/problems/malformed-json",
      });
    }
    expect(await problemOf(post("/subscriptions"))).toMatchObject({ type: "/problems/invalid-body" });
  });

  test("a missing subscription is not found by any operation", async () => {
    const calls: readonly [string, string][] = [
      ["GET", ""],
      ["PATCH", ""],
      ["DELETE", ""],
      ["POST", "/pause"],
      ["POST", "/resume"],
      ["POST", "/rewind"],
      ["POST", "/test"],
      ["POST", "/rotate-secret"],
      ["GET", "/attempts"],
      ["GET", "/blocked"],
      ["GET", "/skips"],
      ["POST", "/blocked/user-1/retry"],
      ["POST", "/blocked/user-1/skip"],
    ];
    for (const [method, path] of calls) {
      expect(await problemOf(app.fetch(`/subscriptions/sub_none${path}`, { method }))).toMatchObject({
        type: "/problems/subscription-not-found",
        status: 404,
      });
    }
  });

  test("a missing method is refused with the existing ones", async () => {
    const response = await app.fetch("/subscriptions/sub_none", { method: "PUT" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, PATCH, DELETE, HEAD, OPTIONS");
  });
});
