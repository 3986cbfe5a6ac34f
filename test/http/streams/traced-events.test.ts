import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { openApp, type TestApp } from "../../support/app.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const STATED = `00-${TRACE}-b7ad6b7169203331-01`;
const OTHER = `00-${TRACE}-00f067aa0ba902b7-00`;

interface Traced {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly correlationid?: string;
}

function post(
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return app.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
}

async function eventsOf(stream: string): Promise<Traced[]> {
  return (await (await app.fetch(`/streams/${stream}`)).json()) as Traced[];
}

describe("the header traceparent of an append", () => {
  test("fills the events that name none, with its tracestate", async () => {
    const events = [
      { type: "A" },
      { type: "A", metadata: { correlationId: '"traceparent":' } },
      { type: "A", metadata: { traceparent: OTHER } },
    ];
    await post("/streams/filled", { events }, { traceparent: STATED, tracestate: "vendor=1" });
    expect(await eventsOf("filled")).toMatchObject([
      { traceparent: STATED, tracestate: "vendor=1" },
      { traceparent: STATED, tracestate: "vendor=1", correlationid: '"traceparent":' },
      { traceparent: OTHER },
    ]);
  });

  test("fills the events of a transaction, and of several appends, where an entry may name its own", async () => {
    const events = [{ type: "A" }];
    await post("/transactions", { appends: [{ stream: "moved", events }] }, { traceparent: STATED });
    const entries = [
      { stream: "one", events },
      { stream: "two", events, traceparent: OTHER },
    ];
    await post("/appends", entries, { traceparent: STATED });
    const streams = await Promise.all(["moved", "one", "two"].map(eventsOf));
    expect(streams.flat().map(({ traceparent }) => traceparent)).toEqual([STATED, STATED, OTHER]);
  });

  test("is no part of the request that an idempotency key names", async () => {
    const body = { events: [{ type: "A" }] };
    const first = await post("/streams/keyed", body, { traceparent: STATED, "idempotency-key": "k" });
    const second = await post("/streams/keyed", body, { traceparent: OTHER, "idempotency-key": "k" });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await eventsOf("keyed")).toMatchObject([{ traceparent: STATED }]);
  });

  test.each([
    "",
    "x",
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `ff-${TRACE}-b7ad6b7169203331-01`,
    `${STATED}-more`,
    STATED.toUpperCase(),
  ])("is ignored when it is invalid: %p", async (traceparent) => {
    const stream = `invalid-${Bun.hash(traceparent)}`;
    expect((await post(`/streams/${stream}`, { events: [{ type: "A" }] }, { traceparent })).status).toBe(201);
    const [event] = await eventsOf(stream);
    expect(event).not.toHaveProperty("traceparent");
  });

  test("is passed on in a later version's form", async () => {
    const later = `01-${TRACE}-b7ad6b7169203331-01-more`;
    await post("/streams/later", { events: [{ type: "A" }] }, { traceparent: later });
    expect(await eventsOf("later")).toMatchObject([{ traceparent: later }]);
  });
});
