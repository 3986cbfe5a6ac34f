import { describe, expect } from "bun:test";
import { Ajv2020 as Ajv } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { consent, receive } from "kilde/webhook";

import { runsOn, testInProcess } from "../../support/tested-on.ts";
import { SECRET } from "../../webhooks/receive/support.ts";
import {
  advance,
  app,
  block,
  create,
  FEED,
  nowOfClock,
  openAppForEach,
  patch,
  post,
  shown,
  startReceiver,
} from "./subscribing.ts";

runsOn(["memory", "sqld", "worker"]);
openAppForEach();

testInProcess("metrics report the state of each subscription", async () => {
  const { subscription } = await create({ start: { position: 1 } });
  const other = await create({ source: FEED.path });
  await block(subscription, "user-1", 3);
  await post(`/subscriptions/${other.subscription}/pause`);
  advance(1_000);
  const response = await app.fetch("/metrics");
  const lines = (await response.text()).split("\n");
  const of = (name: string, { id = subscription, source = "/events", status = "" } = {}) =>
    `kilde_subscription_${name}{subscription="${id}",source="${source}"${status === "" ? "" : `,status="${status}"`}}`;
  const paused = { id: other.subscription, source: FEED.path };
  expect(lines).toEqual(
    expect.arrayContaining([
      `${of("cursor")} 1`,
      `${of("lag_events")} 3`,
      `${of("lag_seconds")} 4`,
      `${of("blocked_subjects")} 1`,
      `${of("status", { status: "failing" })} 1`,
      `${of("status", { status: "active" })} 0`,
      `${of("lag_events", paused)} 0`,
      `${of("status", { ...paused, status: "paused" })} 1`,
    ]),
  );
});

/** A schema that refuses members that it does not describe. */
function strict<Schema>(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) =>
    typeof value === "object" && value !== null && "type" in value && value.type === "object"
      ? { additionalProperties: false, ...value }
      : value,
  ) as Schema;
}

testInProcess("every answer is as /openapi.json describes it", async () => {
  const { paths, components } = await app.get<{
    paths: Record<
      string,
      Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
    >;
    components: object;
  }>("/openapi.json");
  const ajv = addFormats(new Ajv({ strict: false }));
  const check = async (method: string, path: string, response: Response) => {
    const body: unknown = await response.json();
    const schema = paths[path]?.[method]?.responses[response.status]?.content["application/json"]?.schema;
    if (schema === undefined) throw new Error(`${method} ${path} ${response.status} is not described`);
    const validate = ajv.compile({ ...strict(schema), components: strict(components) });
    if (!validate(body)) throw new Error(`${method} ${path}: ${ajv.errorsText(validate.errors)}`);
  };
  const one = "/subscriptions/{subscription}";
  const url = startReceiver((request) => consent(request, { origins: "*" }));
  const body = { source: "/events", url, mode: "batch", handshake: { origin: "a.test" } };
  const { subscription } = await create({ ...body, start: "beginning" });
  await check("post", "/subscriptions", await post("/subscriptions", body));
  await block(subscription, "user-0", 1);
  await block(subscription, "user-1", 1);
  for (const [method, path, sent] of [
    ["get", ""],
    ["patch", "", { attempts: 1 }],
    ["get", "/blocked"],
    ["post", "/blocked/{subject}/skip"],
    ["get", "/skips"],
    ["get", "/attempts"],
    ["post", "/test"],
    ["post", "/rotate-secret"],
    ["post", "/rewind", { dryRun: true }],
    ["post", "/pause"],
    ["post", "/resume"],
  ] as const) {
    const concrete = path.replace("{subject}", "user-1");
    const init = {
      method: method.toUpperCase(),
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
    };
    await check(method, one + path, await app.fetch(`/subscriptions/${subscription}${concrete}`, init));
  }
  await check("get", "/subscriptions", await app.fetch("/subscriptions"));
});

describe("a test", () => {
  testInProcess("is a signed event without data, with the headers; its outcome is returned", async () => {
    const seen: object[] = [];
    let status = 204;
    const url = startReceiver(async (request) => {
      const delivery = await receive(request, SECRET, { now: nowOfClock });
      const { kind, source } = delivery;
      seen.push({ kind, source, tenant: request.headers.get("x-tenant") });
      return new Response(null, { status });
    });
    const { subscription } = await create({ url, secret: SECRET, headers: { "X-Tenant": "t-7" } });
    const send = async () => (await post(`/subscriptions/${subscription}/test`)).json();
    expect(await send()).toMatchObject({ acknowledged: true, error: null });
    status = 500;
    expect(await send()).toMatchObject({ acknowledged: false, error: "status 500" });
    status = 410;
    expect(await send()).toMatchObject({ acknowledged: false, error: "status 410" });
    expect(seen).toEqual([1, 2, 3].map(() => ({ kind: "test", source: "/events", tenant: "t-7" })));
    // It changes nothing.
    expect(await shown(subscription)).toMatchObject({ status: "active", cursor: 4 });
    await patch(subscription, { url: "http://127.0.0.1:1/", headers: {} });
    expect(await send()).toMatchObject({ acknowledged: false, error: "connection" });
  });
});
