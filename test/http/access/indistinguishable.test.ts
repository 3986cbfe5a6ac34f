import { afterEach, beforeEach, expect, test } from "bun:test";

import { OPERATIONS } from "../../../src/http/operations.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { createTestKey, withToken } from "../../support/keys.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory"]);

const HIDDEN = sketch({ name: "hidden", deprecated: "2026-01-01", successor: 2 });

/** None of them covers anything in the store. */
const GRANTS = [
  ["append:/streams/x", "erase:/streams/x"],
  ["manage:/subscriptions"],
  ["manage:/subscriptions", "read:/feeds/other", "read:/events?subjectPrefix=x"],
  ["manage:/feeds/other", "read:/metrics", "read:/operations"],
];

const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
const QUERIES = ["", "?reason=x", "?before=99", "?lastEventId=99", "?subjectPrefix=u&prefix=u"];
const BODIES = ["{}", '{"position":99}', '{"events":[{"type":"A"}],"expectedVersion":77}'];
const HEADERS = [{}, { "if-match": '"9"' }, { accept: "text/event-stream" }];
const WITH_BODY = new Set(["POST", "PUT", "PATCH"]);

type Names = Readonly<Record<string, string>>;

let app: TestApp;
/** Names of things that exist, by parameter, and of others that do not. */
let present: Names;
let absent: Names;
beforeEach(async () => {
  app = await openApp({ feeds: [HIDDEN] });
  const admin = await createTestKey(app, ["admin"], { consumer: "consumer-1" });
  await admin.fetch(
    "/streams/stream-1",
    jsonPost({ events: [{ type: "A" }] }, { "idempotency-key": "idem-1" }),
  );
  await admin.get("/events");
  const hook = { source: "/events", url: "http://127.0.0.1:9/hook" };
  const made = await (await admin.fetch("/subscriptions", jsonPost(hook))).json();
  const { subscription } = made as { subscription: string };
  const common = { version: "1", code: "forbidden" };
  const other = (id: string) => id.slice(0, -1) + (id.endsWith("a") ? "b" : "a");
  const named = (suffix: string) => ({
    stream: `stream-${suffix}`,
    subject: `stream-${suffix}`,
    consumer: `consumer-${suffix}`,
    idempotencyKey: `idem-${suffix}`,
  });
  present = { ...common, ...named("1"), feed: "hidden", subscription, key: admin.id };
  absent = {
    ...common,
    ...named("2"),
    feed: "absent",
    subscription: other(subscription),
    key: other(admin.id),
  };
});
afterEach(() => app.close());

function namedPaths(): readonly string[] {
  const own = OPERATIONS.map(({ path }) => path).filter((path) => path.includes("{"));
  const unknown = ["/feeds/{feed}", "/feeds/{feed}/v{version}/x", "/streams/{stream}/x", "/keys/{key}/x"];
  return [...new Set<string>([...own, ...unknown])];
}

function requestsOf(method: string): readonly RequestInit[] {
  const bodies = WITH_BODY.has(method) ? BODIES : [null];
  return bodies.flatMap((body) => HEADERS.map((headers) => ({ method, headers: { ...headers }, body })));
}

/** Returns an answer with each name replaced by that of its parameter, and without the id of the request. */
async function answerOf(fetch: TestApp["fetch"], path: string, names: Names, init: RequestInit) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) => names[parameter] ?? "");
  const response = await fetch(filled, init);
  const headers = Object.fromEntries(response.headers);
  delete headers["x-request-id"];
  // An event stream has no end.
  const isEndless = headers["content-type"] === "text/event-stream";
  const body = isEndless ? await response.body?.cancel() : await response.text();
  const answer = JSON.stringify([response.status, headers, body]);
  return Object.entries(names)
    .filter(([parameter]) => parameter !== "version")
    .reduce((text, [parameter, name]) => text.replaceAll(name, `{${parameter}}`), answer);
}

test("a sender without the grant gets the same answer about things that exist and things that do not", async () => {
  const keys = await Promise.all(GRANTS.map((grants) => createTestKey(app, grants)));
  const senders = [app, withToken(app, "garbage"), ...keys];
  let compared = 0;
  for (const { fetch } of senders)
    for (const path of namedPaths())
      for (const method of METHODS)
        for (const init of requestsOf(method))
          for (const query of QUERIES) {
            const asked = path + query;
            const answer = await answerOf(fetch, asked, present, init);
            if (answer !== (await answerOf(fetch, asked, absent, init)))
              expect([method, asked, answer]).toEqual([
                method,
                asked,
                "the answer about one that does not exist",
              ]);
            compared += 1;
          }
  expect(compared).toBeGreaterThan(10_000);
  expect(app.faults).toEqual([]);
});
