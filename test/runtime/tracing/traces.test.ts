import { afterAll, afterEach, expect, test } from "bun:test";
import { AsyncLocalStorage } from "node:async_hooks";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Context, context, type ContextManager, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { createClient } from "kilde/client";
import { createConsumer, feed, memoryStore } from "kilde/consumer";
import { receive } from "kilde/webhook";

import { startTracing, type Tracing } from "../../../src/runtime/tracing/start-tracing.ts";
import { jsonPost, type WireEvent } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import { cleanUp, emptyFolder, jsonLines, serve, type Served } from "../../cli/support.ts";
import { type Collector, type ReceivedSpan, startCollector } from "./collector.ts";

runsOn(["file", "sqld"]);
cleanUp();

const CONFIG = `
  import { defineConfig, defineFeed } from "kilde";
  import { z } from "zod";
  const contract = { Registered: z.object({ name: z.string() }) };
  export default defineConfig({ feeds: [defineFeed({
    name: "users", version: 1, events: contract, contract,
    publish: { Registered: ({ data }) => ({ type: "Registered", data }) },
  })] });`;

const stops: (() => unknown)[] = [];
let own: Tracing | null = null;

afterEach(async () => {
  await own?.close();
  own = null;
  trace.disable();
  context.disable();
  for (const stop of stops.splice(0).toReversed()) await stop();
});

const VARIABLES = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_PROTOCOL",
  "OTEL_BSP_SCHEDULE_DELAY",
] as const;
afterAll(() => {
  for (const name of VARIABLES) delete process.env[name];
});

async function startTraced(more: Readonly<Record<string, string>> = {}) {
  const collector = startCollector();
  stops.push(() => collector.stop());
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "50",
    ...more,
  };
  const cwd = emptyFolder();
  writeFileSync(join(cwd, "kilde.config.ts"), CONFIG);
  const server = await serve(cwd, ["--egress-allow", "127.0.0.1"], {
    environment: { ...environment, KILDE_SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}` },
  });
  return { collector, server, environment };
}

function spanNamed({ spans }: Collector, name: string): Promise<ReceivedSpan> {
  return eventually(() => spans.find((span) => span.name === name));
}

async function firstEvent({ url }: Served, path: string): Promise<WireEvent> {
  const events = await eventually(async () => {
    const page = (await (await fetch(url + path)).json()) as WireEvent[];
    return page.length > 0 && page;
  });
  const [event] = events;
  if (event === undefined) throw new Error("no event");
  return event;
}

/** Keeps the active span across calls, as the SDK of a user's program does. */
function createContextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (entered, call, self, ...values) => storage.run(entered, () => call.apply(self, values)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

/** The span of a handler with an attribute that others lack. */
function handleSpan({ spans }: Collector, attribute: string): Promise<ReceivedSpan> {
  return eventually(() =>
    spans.find(({ name, attributes }) => name === "handle /feeds/users/v1" && attribute in attributes),
  );
}

/** Kinds of spans, as OTLP encodes them. */
const SPAN_KIND = { server: 2, client: 3, producer: 4, consumer: 5 } as const;

/** The attributes that the semantic conventions require of an operation on one event. */
function messaging(name: string, type: string, log: string) {
  return {
    "messaging.system": "kilde",
    "messaging.system.name": "kilde",
    "messaging.operation.name": name,
    "messaging.operation.type": type,
    "messaging.destination.name": log,
  };
}

function expectSpan(span: ReceivedSpan, kind: number, attributes: Readonly<Record<string, unknown>>): void {
  expect(span.kind).toBe(kind);
  expect(span.attributes).toEqual(attributes);
}

test("one trace can be followed from the client's append to the handler of the last consumer", async () => {
  const { collector, server, environment } = await startTraced();
  Object.assign(process.env, environment);
  own = await startTracing(environment);
  const received: Headers[] = [];
  const secrets: string[] = [];
  const active: (string | undefined)[] = [];
  const noteActive = () => void active.push(trace.getActiveSpan()?.spanContext().spanId);
  context.setGlobalContextManager(createContextManager());
  const consumer = createConsumer({
    url: server.url,
    feed: feed<{ Registered: { name: string } }>("users/v1"),
    name: "cards",
    store: memoryStore(),
    handle: noteActive,
  });
  const hook = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      received.push(request.headers);
      await receive(request, secrets, { handle: noteActive });
      return new Response(null, { status: 204 });
    },
  });
  stops.push(() => hook.stop(true));
  const client = createClient({ url: server.url });
  const hookUrl = `http://127.0.0.1:${hook.port}/hook`;
  const { subscription, secret } = await client.subscriptions.create({
    source: "/feeds/users/v1",
    url: hookUrl,
  });
  secrets.push(secret ?? "");
  await client.append("user-1", { type: "Registered", data: { name: "Ida" } });
  consumer.start();

  const append = await spanNamed(collector, "append /events");
  const post = await spanNamed(collector, "POST /streams/{stream}");
  expect(post).toMatchObject({ service: "kilde", traceId: append.traceId, parentSpanId: append.spanId });
  const traceparent = `00-${append.traceId}-${append.spanId}-01`;
  expect(await firstEvent(server, "/events")).toMatchObject({ traceparent });
  expect(await firstEvent(server, "/feeds/users/v1")).toMatchObject({ traceparent });

  const link = expect.objectContaining({ traceId: append.traceId, spanId: append.spanId });
  const project = await spanNamed(collector, "project /events");
  const deliver = await spanNamed(collector, "deliver /feeds/users/v1");
  const handle = await handleSpan(collector, "messaging.consumer.group.name");
  const hooked = await handleSpan(collector, "kilde.webhook.id");
  await consumer.stop();
  for (const span of [project, deliver, handle]) {
    expect(span.links).toEqual([link]);
    expect(span.parentSpanId ?? "").toBe("");
    expect(span.traceId).not.toBe(append.traceId);
    expect(span.hasFailed).toBe(false);
  }
  const at = (url: string) => ({ "server.address": "127.0.0.1", "server.port": Number(new URL(url).port) });
  expectSpan(append, SPAN_KIND.producer, {
    ...messaging("append", "send", "/events"),
    "messaging.message.id": "1",
    ...at(server.url),
  });
  expectSpan(post, SPAN_KIND.server, {
    "http.request.method": "POST",
    "http.route": "/streams/{stream}",
    "http.response.status_code": 201,
    "url.scheme": "http",
    "url.path": "/streams/user-1",
    "kilde.request.id": expect.any(String),
    "user_agent.original": expect.stringMatching(/^Bun/),
    ...at(server.url),
  });
  expectSpan(project, SPAN_KIND.consumer, {
    ...messaging("project", "process", "/events"),
    "messaging.consumer.group.name": "/feeds/users/v1",
    "messaging.message.id": "1",
    "kilde.published_events": 1,
  });
  expectSpan(deliver, SPAN_KIND.client, {
    ...messaging("deliver", "send", "/feeds/users/v1"),
    "messaging.destination.subscription.name": subscription,
    "messaging.message.id": "1",
    "kilde.webhook.id": received[0]?.get("webhook-id"),
    "http.request.method": "POST",
    "http.response.status_code": 204,
    ...at(hookUrl),
  });
  expectSpan(handle, SPAN_KIND.consumer, {
    ...messaging("handle", "process", "/feeds/users/v1"),
    "messaging.consumer.group.name": "cards",
    "messaging.message.id": "1",
    ...at(server.url),
  });
  // The attempt has only just begun, so the receiver continues its trace.
  expect(hooked).toMatchObject({ traceId: deliver.traceId, parentSpanId: deliver.spanId, links: [link] });
  expectSpan(hooked, SPAN_KIND.consumer, {
    ...messaging("handle", "process", "/feeds/users/v1"),
    "messaging.message.id": "1",
    "kilde.webhook.id": received[0]?.get("webhook-id"),
  });
  expect(new Set(active)).toEqual(new Set([handle.spanId, hooked.spanId]));
  const [headers] = received;
  expect(headers?.get("traceparent")).toBe(`00-${deliver.traceId}-${deliver.spanId}-01`);
});

test("a span states why it failed, the number of events of a batch, and the query without a person's reason", async () => {
  const { collector, server, environment } = await startTraced();
  Object.assign(process.env, environment);
  own = await startTracing(environment);
  const client = createClient({ url: server.url });
  const events = [1, 2].map(() => ({ type: "Registered", data: { name: "Ida" } }));
  await client.append("user-1", events);
  await client.append("user-1", events, { expectedVersion: 1 }).catch(() => {});
  await client.erase("user-1", "Ida asked for it");
  await fetch(`${server.url}/nowhere`, { method: "PROPFIND" });
  await fetch(`${server.url}/session/oidc/callback?state=s1&code=c1`);

  const spans = await eventually(() => {
    const appends = collector.spans.filter(({ name }) => name === "append /events");
    return appends.length === 2 && appends;
  });
  expect(spans.map(({ hasFailed, attributes }) => [hasFailed, attributes["error.type"]])).toEqual([
    [false, undefined],
    [true, "version-conflict"],
  ]);
  for (const { attributes } of spans) expect(attributes["messaging.batch.message_count"]).toBe(2);
  for (const { attributes } of spans) expect(attributes).not.toHaveProperty("messaging.message.id");
  const erase = await spanNamed(collector, "DELETE /streams/{stream}");
  expect(erase.attributes).toMatchObject({ "url.query": "reason=REDACTED" });
  const callback = await spanNamed(collector, "GET /session/oidc/callback");
  expect(callback.attributes).toMatchObject({ "url.query": "state=s1&code=REDACTED" });
  const unknown = await spanNamed(collector, "HTTP");
  expect(unknown.attributes).toMatchObject({
    "http.request.method": "_OTHER",
    "http.request.method_original": "PROPFIND",
  });
  expect(unknown.hasFailed).toBe(false);
});

test("a context that is not sampled is stored as well, and exports nothing", async () => {
  const { collector, server } = await startTraced();
  const stated = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const post = jsonPost({ events: [{ type: "Registered", data: { name: "Ida" } }] });
  const headers = new Headers(post.headers);
  headers.set("traceparent", stated);
  await fetch(`${server.url}/streams/user-1`, { ...post, headers });
  const { traceparent } = (await firstEvent(server, "/events")) as WireEvent & {
    readonly traceparent?: string;
  };
  expect(traceparent).toBe(stated);
  await spanNamed(collector, "GET /events");
  expect(collector.spans.filter(({ name }) => name === "POST /streams/{stream}")).toEqual([]);
});

test("spans are exported as protobuf unless the environment names JSON", async () => {
  const { collector, server } = await startTraced({ OTEL_EXPORTER_OTLP_PROTOCOL: "" });
  await fetch(`${server.url}/health`);
  await eventually(() => collector.mediaTypes.has("application/x-protobuf"));
});

async function startRefused(status: number, delayMs: number) {
  let refusals = 0;
  const collector = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch() {
      refusals += 1;
      return new Response("secret of the collector", { status });
    },
  });
  stops.push(() => collector.stop(true));
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_BSP_SCHEDULE_DELAY: String(delayMs),
  };
  const server = await serve(emptyFolder(), [], { environment });
  await fetch(`${server.url}/health`);
  return { server, refusals: () => refusals };
}

for (const [collector, status] of [
  ["refuses spans", 400],
  ["is overloaded", 503],
] as const) {
  test(`a server whose collector ${collector} stops in order, and logs that traces were not exported`, async () => {
    // Nothing is exported before the end.
    const { server } = await startRefused(status, 600_000);
    const { exitCode, stdout, stderr } = await server.stop();
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining("fault in the program")]);
    const logged = jsonLines(stdout).map(({ msg }) => msg);
    expect(logged.slice(-3)).toEqual(["shutting down", "traces were not exported", "stopped"]);
  });
}

test("the log states why traces were not exported, without the stack and the collector's answer", async () => {
  const { server, refusals } = await startRefused(400, 20);
  await eventually(() => refusals() > 0);
  const { stdout } = await server.stop();
  const failures = jsonLines(stdout).filter(({ msg }) => msg === "traces were not exported");
  expect(failures.map(({ reason }) => reason)).toContain("Bad Request");
  expect(stdout).not.toContain("secret of the collector");
});
