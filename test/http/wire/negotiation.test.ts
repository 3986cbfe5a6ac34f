import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { jsonPost, openApp, type TestApp } from "../../support/app.ts";

/*
 * What a request accepts and sends, by RFC 9110: names of media types and codings have no case, and the most specific
 * range decides.
 */

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
  await app.append("s", { type: "T" });
});
afterAll(() => app.close());

const BATCH = "application/cloudevents-batch+json";
const LINES = "application/x-ndjson";
const STREAM = "text/event-stream";

describe("Accept", () => {
  const accepted: [accept: string, mediaType: string][] = [
    ["", BATCH],
    ["*/*", BATCH],
    ["*", BATCH],
    ["application/*", BATCH],
    ["text/*", STREAM],
    ["Application/X-NDJSON", LINES],
    ["TEXT/EVENT-STREAM", STREAM],
    ["Text/*", STREAM],
    ["APPLICATION/JSON; charset=UTF-8", BATCH],
    ["application/x-ndjson;Q=0.9, application/json;q=0.1", LINES],
    ["application/json;q=0.1, */*;q=0.9", BATCH],
    ["application/cloudevents-batch+json;q=0, application/json;q=0, */*", LINES],
    ["application/*;q=0, */*", STREAM],
    ["application/*;q=0.2, application/x-ndjson;q=0.1, text/*;q=0.1", BATCH],
    ["text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", BATCH],
    ["text/html, image/gif, *; q=.2, */*; q=.2", BATCH],
    ["text/event-stream, */*", STREAM],
    ["application/x-ndjson, text/event-stream", LINES],
    ["text/event-stream, application/x-ndjson", STREAM],
  ];
  test.each(accepted)("%p is answered with %s", async (accept, mediaType) => {
    const answer = await app.fetch("/events", { headers: { accept } });
    expect([answer.status, answer.headers.get("content-type")?.split(";")[0]]).toEqual([200, mediaType]);
    await answer.body?.cancel();
  });

  test.each([
    "text/html",
    "application/xml, image/*",
    "*/*;q=0",
    "application/x-ndjson;q=0",
    "application/*;q=0, text/*;q=0",
    "application/json;q=0, application/cloudevents-batch+json;q=0.000",
  ])("%p is refused", async (accept) => {
    const answer = await app.fetch("/events", { headers: { accept } });
    expect(answer.status).toBe(406);
  });
});

test.each(["application/json", "Application/JSON", "APPLICATION/JSON ; Charset=UTF-8"])(
  "a body of %p is read",
  async (mediaType) => {
    const body = JSON.stringify({ events: [{ type: "T" }] });
    const headers = { "content-type": mediaType, "content-encoding": "Identity" };
    expect((await app.fetch("/streams/typed", { method: "POST", body, headers })).status).toBe(201);
  },
);

test("If-None-Match names any tag, or one among several, strong or weak", async () => {
  const url = "/streams/s";
  const etag = (await app.fetch(url)).headers.get("etag") ?? "";
  expect(etag).not.toBe("");
  const bare = etag.replace(/^W\//, "");
  for (const named of ["*", " * ", bare, `W/${bare}`, `"other", ${bare}`, `"a,b",W/${bare}`]) {
    expect([named, (await app.fetch(url, { headers: { "if-none-match": named } })).status]).toEqual([
      named,
      304,
    ]);
  }
  for (const named of ['"other"', `"x${bare.slice(1)}`, '"*"', "nothing", '""']) {
    expect([named, (await app.fetch(url, { headers: { "if-none-match": named } })).status]).toEqual([
      named,
      200,
    ]);
  }
});

test("If-None-Match: * appends to a stream that does not exist, and to no other", async () => {
  const append = jsonPost({ events: [{ type: "T" }] }, { "if-none-match": "*" });
  expect((await app.fetch("/streams/once", append)).status).toBe(201);
  expect((await app.fetch("/streams/once", append)).status).toBe(412);
});
