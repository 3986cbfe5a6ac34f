import { afterAll, describe, expect, test } from "bun:test";
import { CloudEvent, HTTP } from "cloudevents";
import fc from "fast-check";
import { consent, receive, type ReceiveOptions, WebhookError } from "kilde/webhook";

import { generateSecret } from "../../../src/webhooks/signing/secret.ts";
import { deliveredEvent, doorbellEvent, MEDIA_TYPE, testEvent } from "../../../src/webhooks/signing/wire.ts";
import { createReceiver } from "../../examples/hono-receiver.ts";
import { delivery, EVENT, logEvent, NOW, now, PRIVATE, PUBLIC, SECRET, type Sent } from "./support.ts";

const IDENTITY = "0123456789abcdef";

async function outcome(
  request: Request,
  secret: string | readonly string[] = SECRET,
  options: ReceiveOptions = {},
): Promise<string> {
  try {
    await receive(request, secret, { now, ...options });
    return "received";
  } catch (error) {
    if (!(error instanceof WebhookError)) throw error;
    expect(error.response().status).toBe(error.status);
    return error.code;
  }
}

const outcomeOf = (body: string, sent: Sent = {}, options: ReceiveOptions = {}) =>
  outcome(delivery(body, sent), SECRET, options);

describe("a delivery", () => {
  test("is read as an event", async () => {
    const more = { correlationid: "c-1", metadata: '{"user":7}', recordedtime: "2026-01-31T12:00:01.000Z" };
    const body = deliveredEvent(logEvent(2, { name: "Ida" }, more), 1);
    const received = await receive<{ name: string }>(delivery(body), SECRET, { now });
    if (received.kind !== "events") throw new Error(received.kind);
    const [event] = received.events;
    expect(event?.data.name).toBe("Ida");
    expect(received).toMatchObject({
      id: "msg_1",
      source: "/feeds/users/v1",
      events: [
        {
          id: "42",
          position: 42,
          subject: "user-1",
          version: 2,
          previousSequence: 1,
          type: "UserRegistered",
          time: "2026-01-31T12:00:00.000Z",
          recordedTime: "2026-01-31T12:00:01.000Z",
          metadata: { correlationId: "c-1", user: 7 },
          erased: false,
        },
      ],
    });
  });

  test("is handed to a handler, whose error is thrown to the receiver", async () => {
    const handled: string[] = [];
    const received = await receive<{ name: string }>(delivery(EVENT), SECRET, {
      now,
      async handle(each) {
        await Promise.resolve();
        if (each.kind === "events") handled.push(...each.events.map(({ data }) => data.name));
      },
    });
    expect(received.kind).toBe("events");
    expect(handled).toEqual(["Ida"]);
    const broken = new Error("The database is away");
    const failing = receive(delivery(EVENT), SECRET, {
      now,
      handle() {
        throw broken;
      },
    });
    expect(await failing.catch((error: unknown) => error)).toBe(broken);
    const handle = () => void handled.push("of an invalid delivery");
    await receive(delivery(EVENT), PUBLIC, { now, handle }).catch(() => {});
    expect(handled).toEqual(["Ida"]);
  });

  test("is read as an event whose attribute `metadata` holds no object", async () => {
    for (const metadata of ["{", "[]", "text"]) {
      const body = deliveredEvent(logEvent(2, { name: "Ida" }, { metadata }), 1);
      const received = await receive(delivery(body), SECRET, { now });
      if (received.kind !== "events") throw new Error(received.kind);
      expect(received.events[0]?.metadata).toEqual({});
      expect(received.events[0]?.attributes).toEqual({ metadata });
    }
  });

  test("is read as a batch, and as events without data", async () => {
    const tombstone = logEvent(5, null, { type: "kilde.erased", method: "DELETE", reason: "asked to" });
    const body = `[${deliveredEvent(logEvent(1), 0)},${deliveredEvent(tombstone, 3)}]`;
    const received = await receive(
      delivery(body, { contentType: "Application/CloudEvents-Batch+JSON; charset=utf-8" }),
      SECRET,
      { now },
    );
    expect(received).toMatchObject({
      kind: "events",
      events: [
        { version: 1, previousSequence: 0 },
        { version: 5, previousSequence: 3, erased: true, reason: "asked to", data: undefined },
      ],
    });
  });

  test("is read as a test, which has no content", async () => {
    const body = testEvent("sub_1_test_5", "/events", "sub_1", "2026-01-31T12:00:00.000Z");
    expect(await receive(delivery(body), SECRET, { now })).toEqual({
      id: "msg_1",
      kind: "test",
      source: "/events",
    });
  });

  test("is read as a doorbell", async () => {
    const body = doorbellEvent("/events", 1_234, IDENTITY);
    expect(await receive(delivery(body), SECRET, { now })).toEqual({
      id: "msg_1",
      kind: "doorbell",
      source: "/events",
      head: 1_234,
      logIdentity: IDENTITY,
    });
  });

  test("is a CloudEvent to the public package", () => {
    for (const body of [EVENT, doorbellEvent("/events", 7, IDENTITY)]) {
      const event = HTTP.toEvent({ headers: { "content-type": MEDIA_TYPE.event }, body });
      expect(event instanceof CloudEvent && event.validate()).toBe(true);
    }
    const batch = HTTP.toEvent({
      headers: { "content-type": MEDIA_TYPE.batch },
      body: `[${EVENT},${EVENT}]`,
    });
    expect(batch).toHaveLength(2);
    expect(JSON.parse(EVENT)).toMatchObject({
      sequence: "0000000000000002",
      previoussequence: "0000000000000001",
    });
    expect(JSON.parse(deliveredEvent(logEvent(1), 0))).toMatchObject({ previoussequence: "0".repeat(16) });
    // The appended text is delivered unchanged.
    expect(deliveredEvent('{"id":"1","data":1e400}', 12)).toBe(
      '{"id":"1","data":1e400,"previoussequence":"0000000000000012"}',
    );
  });
});

describe("signatures", () => {
  const other = generateSecret("symmetric");

  test("verify with any of the secrets, made with any of the secrets", async () => {
    expect(await outcome(delivery(EVENT, { secrets: [other, SECRET] }))).toBe("received");
    expect(await outcome(delivery(EVENT), [other, SECRET])).toBe("received");
    expect(await outcome(delivery(EVENT, { secrets: [PRIVATE] }), PUBLIC)).toBe("received");
    expect(await outcome(delivery(EVENT, { secrets: [PRIVATE] }), PRIVATE)).toBe("received");
    expect(await outcome(delivery(EVENT, { secrets: [SECRET, PRIVATE] }), [PUBLIC])).toBe("received");
    expect(await outcome(delivery(EVENT, { secrets: [other] }))).toBe("signature-invalid");
    expect(await outcome(delivery(EVENT), [other, PUBLIC])).toBe("signature-invalid");
  });

  test("are ignored when their version is unknown", async () => {
    const good = delivery(EVENT).headers.get("webhook-signature") ?? "";
    const withSignature = (value: string) => delivery(EVENT, { headers: { "webhook-signature": value } });
    expect(await outcome(withSignature(`v2,AAAA v1 ,x v1,%% ${good}`))).toBe("received");
    expect(await outcome(withSignature(good.replace("v1,", "v1a,")))).toBe("signature-invalid");
    expect(await outcome(withSignature(good.replace("v1,", "V1,")))).toBe("signature-invalid");
    expect(await outcome(withSignature(good.slice(3)))).toBe("signature-invalid");
    expect(await outcome(withSignature(`${"v1,AAAA ".repeat(1_000)}${good}`))).toBe("signature-invalid");
  });

  test("never verify for a message that was tampered with", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("id", "timestamp", "body", "signature"),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (part, at, flip) => {
          const signed = delivery(EVENT);
          const flipped = (text: string) => {
            const bytes = Buffer.from(text);
            const index = at % bytes.length;
            bytes[index] = (bytes[index] ?? 0) ^ flip;
            return bytes;
          };
          const changed: Record<string, string> = {};
          if (part === "id") changed["webhook-id"] = `msg_${at}x`;
          if (part === "timestamp") changed["webhook-timestamp"] = String(NOW / 1_000 - 1 - (at % 300));
          if (part === "signature") {
            const signature = (signed.headers.get("webhook-signature") ?? "").slice(3);
            changed["webhook-signature"] = `v1,${flipped(atob(signature)).toString("base64")}`;
          }
          const body = part === "body" ? new Uint8Array(flipped(EVENT)) : EVENT;
          const headers = { ...Object.fromEntries(signed.headers), ...changed };
          const request = new Request(signed.url, { method: "POST", body, headers });
          expect(await outcome(request)).toBe("signature-invalid");
        },
      ),
      { numRuns: 300 },
    );
  });

  test("an invalid secret throws a TypeError", async () => {
    await expect(receive(delivery(EVENT), "secret", { now })).rejects.toThrow(TypeError);
    await expect(receive(delivery(EVENT), [], { now })).rejects.toThrow("one secret at least");
  });
});

describe("a request", () => {
  test.each([
    [-301, "timestamp-outside-tolerance"],
    [-300, "received"],
    [300, "received"],
    [301, "timestamp-outside-tolerance"],
  ])("is judged by its timestamp, %i s from now: %s", async (seconds, code) => {
    expect(await outcomeOf(EVENT, { timestamp: NOW / 1_000 + seconds })).toBe(code);
  });

  test.each(["webhook-id", "webhook-timestamp", "webhook-signature"])(
    "is refused without %s",
    async (name) => {
      const request = delivery(EVENT);
      request.headers.delete(name);
      expect(await outcome(request)).toBe("header-missing");
    },
  );

  test.each(["", "-1", "1e9", "0x10", "1614265330.5", " ", "1614265330, 1614265330", "9".repeat(16)])(
    "is refused with the timestamp %j",
    async (value) => {
      const code = await outcomeOf(EVENT, { headers: { "webhook-timestamp": value } });
      expect(["header-invalid", "header-missing"]).toContain(code);
    },
  );

  test("is refused when its body is too large, with or without a content-length", async () => {
    const bytes = Buffer.byteLength(EVENT);
    expect(await outcomeOf(EVENT, {}, { mostBytes: bytes })).toBe("received");
    expect(await outcomeOf(EVENT, {}, { mostBytes: bytes - 1 })).toBe("body-too-large");
    const announced = delivery(EVENT, { headers: { "content-length": "99999999999" } });
    expect(await outcome(announced)).toBe("body-too-large");
    let taken = 0;
    const endless = new ReadableStream({
      pull(controller) {
        taken += 1_000;
        controller.enqueue(new Uint8Array(1_000));
      },
    });
    const request = new Request("http://receiver.test/hook", {
      method: "POST",
      body: endless,
      headers: delivery(EVENT).headers,
    });
    expect(await outcome(request, SECRET, { mostBytes: 50_000 })).toBe("body-too-large");
    expect(taken).toBeLessThan(100_000);
  });

  test.each(["application/json", "text/plain", "", "application/cloudevents+json-x"])(
    "is refused with the media type %j",
    async (contentType) => {
      const request = delivery(EVENT);
      if (contentType === "") request.headers.delete("content-type");
      else request.headers.set("content-type", contentType);
      expect(await outcome(request)).toBe("media-type-unsupported");
    },
  );

  const with_ = (more: object) => JSON.stringify({ ...(JSON.parse(EVENT) as object), ...more });
  const bell = (data: unknown) =>
    JSON.stringify({ specversion: "1.0", id: "1", source: "/e", type: "kilde.doorbell", data });
  test.each([
    "",
    "{",
    "null",
    "[]",
    "1",
    `[${EVENT}]`,
    with_({ specversion: "0.3" }),
    with_({ id: "" }),
    with_({ id: "one" }),
    with_({ id: 42 }),
    with_({ subject: null }),
    with_({ time: 1 }),
    with_({ type: undefined }),
    with_({ sequence: "-1" }),
    with_({ sequence: "9".repeat(16) }),
    with_({ previoussequence: undefined }),
    with_({ previoussequence: 0 }),
    with_({ metadata: {} }),
    bell(undefined),
    bell({}),
    bell({ head: "1" }),
    bell({ head: -1 }),
    bell({ head: 1.5 }),
  ])("is refused with the body %s", async (body) => {
    expect(await outcomeOf(body)).toBe("body-invalid");
  });

  test.each([
    "[]",
    "{}",
    EVENT,
    `[${EVENT},null]`,
    `[${EVENT},${with_({ source: "/other" })}]`,
    bell({ head: 1 }),
  ])("is refused with the batch %s", async (body) => {
    expect(await outcomeOf(body, { contentType: MEDIA_TYPE.batch })).toBe("body-invalid");
  });

  test("is refused by an error of the catalog for any JSON with any signature", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.json(),
        fc.constantFrom(MEDIA_TYPE.event, MEDIA_TYPE.batch),
        async (body, contentType) => {
          expect(await outcomeOf(body, { contentType })).toBe("body-invalid");
        },
      ),
    );
  });

  test("is answered by a problem with the code", async () => {
    const error = new WebhookError("signature-invalid", "No.");
    const response = error.response();
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toEqual({
      type: "about:blank",
      title: "No signature verifies with a secret of this endpoint",
      status: 401,
      detail: "No.",
      code: "signature-invalid",
    });
  });
});

describe("consent", () => {
  const asked = (headers: Record<string, string>, method = "OPTIONS") =>
    new Request("http://receiver.test/hook", { method, headers });
  const from = { "webhook-request-origin": "kilde.example.org" };

  test("is given to an origin that is listed", () => {
    const { status, headers } = consent(asked(from), { origins: ["a.example", "kilde.example.org"] });
    expect(status).toBe(200);
    expect(headers.get("webhook-allowed-origin")).toBe("kilde.example.org");
    expect(headers.get("webhook-allowed-rate")).toBeNull();
    expect(headers.get("allow")).toBe("OPTIONS, POST");
  });

  test("states the rate, if requested or limited", () => {
    const rate = { ...from, "webhook-request-rate": "1000" };
    const allowed = (headers: Record<string, string>, ratePerMinute?: number) =>
      consent(asked(headers), {
        origins: "*",
        ...(ratePerMinute === undefined ? {} : { ratePerMinute }),
      }).headers.get("webhook-allowed-rate");
    expect([allowed(rate), allowed(rate, 60), allowed(from, 60), allowed(from)]).toEqual([
      "*",
      "60",
      "60",
      null,
    ]);
  });

  test.each([
    [asked(from), 403],
    [asked({}), 400],
    [asked(from, "GET"), 405],
  ])("is not given otherwise", (request, status) => {
    const response = consent(request, { origins: ["a.example"] });
    expect(response.status).toBe(status);
    expect(response.headers.has("webhook-allowed-origin")).toBe(false);
  });
});

describe("the receiver in Hono, over HTTP", () => {
  const secret = generateSecret("ed25519");
  const { app, names } = createReceiver([secret]);
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
  afterAll(() => server.stop(true));

  const send = (body: string, secrets: string[] = [secret]) =>
    fetch(
      delivery(body, {
        secrets,
        url: `http://127.0.0.1:${server.port}/hook`,
        timestamp: Math.floor(Date.now() / 1_000),
      }),
    );
  const named = (version: number, name: string) => deliveredEvent(logEvent(version, { name }), version - 1);

  test("accepts each event once, in order, and only with a signature", async () => {
    expect((await send(named(1, "Ida"))).status).toBe(204);
    expect((await send(named(3, "Ida C."))).status).toBe(409);
    expect((await send(named(2, "Ida B."))).status).toBe(204);
    expect((await send(named(1, "Ida"))).status).toBe(204);
    expect(names.get("user-1")).toBe("Ida B.");
    const refused = await send(named(3, "Eve"), [generateSecret("ed25519")]);
    expect([refused.status, await refused.json()]).toMatchObject([401, { code: "signature-invalid" }]);
    expect(names.get("user-1")).toBe("Ida B.");
  });

  test("accepts a stream whose first events were before the subscription's start", async () => {
    const newcomer = createReceiver([secret]);
    const take = (version: number) =>
      newcomer.app.fetch(
        delivery(named(version, "Ida"), {
          secrets: [secret],
          url: "http://localhost/hook",
          timestamp: Math.floor(Date.now() / 1_000),
        }),
      );
    expect((await take(7)).status).toBe(204);
    expect((await take(9)).status).toBe(409);
    expect((await take(8)).status).toBe(204);
  });

  test("consents to deliveries", async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/hook`, {
      method: "OPTIONS",
      headers: { "webhook-request-origin": "kilde.example.org" },
    });
    expect(response.headers.get("webhook-allowed-origin")).toBe("kilde.example.org");
  });
});
