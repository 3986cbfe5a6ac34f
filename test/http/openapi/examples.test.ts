import { afterAll, afterEach, beforeEach, expect } from "bun:test";

import type { Database } from "../../../src/storage/database.ts";
import { openApp, TEST_SECRET_KEY, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { testInProcess } from "../../support/tested-on.ts";

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: { readonly example?: string | number; readonly default?: string | number };
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { readonly example?: unknown }> };
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Null: without a body. */
  readonly body: { readonly mediaType: string; readonly example: unknown } | null;
}

let database: Database;
let app: TestApp;
const receiver = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => new Response(null, { status: 500 }),
});

beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({
    database,
    feeds: [sketch({ name: "declarations", version: 2, draft: true })],
    correlations: true,
    secretKeys: [TEST_SECRET_KEY],
    egressAllow: ["127.0.0.1"],
  });
});
afterEach(async () => {
  expect(app.faults).toEqual([]);
  await app.close();
});
afterAll(() => receiver.stop(true));

async function describedRequests(): Promise<Request[]> {
  const { paths } = await app.get<{ paths: Record<string, Record<string, Operation>> }>("/openapi.json");
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [], requestBody }]) => {
      const bodies = Object.entries(requestBody?.content ?? {}).map(([mediaType, { example }]) => ({
        mediaType,
        example,
      }));
      return (bodies.length === 0 ? [null] : bodies).map((body) => ({ method, path, parameters, body }));
    }),
  );
}

/** Orders requests that create before those that read and change, and those before removals, the innermost first. */
function inOrder(requests: readonly Request[]): Request[] {
  const rank = ({ method, path }: Request) => {
    if (method === "delete") return 1_000 - path.length;
    if (path.endsWith("/rebuild")) return 4;
    if (path.endsWith("/skip")) return 3;
    return method === "put" || ["/streams/{stream}", "/transactions", "/appends"].includes(path) ? 1 : 2;
  };
  return requests.toSorted((a, b) => rank(a) - rank(b));
}

/** Sends what /docs prefills. Names that only the server knows are in `known`. */
function send({ method, path, parameters, body }: Request, known: Record<string, string>): Promise<Response> {
  const headers = new Headers();
  const query = new URLSearchParams();
  let target = path;
  for (const { name, in: place, required, schema } of parameters) {
    const value = known[name] ?? schema.example ?? schema.default;
    if (value === undefined) {
      if (required === true) throw new Error(`${method} ${path}: ${name} has no example`);
      continue;
    }
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(String(value)));
    else if (place === "query") query.set(name, String(value));
    else headers.set(name, String(value));
  }
  const init: RequestInit = { method: method.toUpperCase(), headers };
  if (body !== null) {
    if (body.example === undefined) throw new Error(`${method} ${path}: ${body.mediaType} has no example`);
    headers.set("content-type", body.mediaType);
    init.body = JSON.stringify(body.example);
  }
  return app.fetch(query.size === 0 ? target : `${target}?${query}`, init);
}

/** Reads a body, except for an event stream, which does not end. */
async function textOf(response: Response): Promise<string> {
  if (response.headers.get("content-type") !== "text/event-stream") return response.text();
  await response.body?.cancel();
  return "";
}

async function sendJson<Body>(
  request: Request | undefined,
  known: Record<string, string> = {},
): Promise<Body> {
  if (request === undefined) throw new Error("the operation is not described");
  return (await (await send(request, known)).json()) as Body;
}

async function block(subscription: string, subject: string): Promise<void> {
  const sql = `insert into subscription_subjects (subscription, subject, next, attempts, due, error, since)
    select ?1, id, 1, 2, 1900000000000, 'status 422', '2026-02-01T12:00:00.000Z' from subjects where name = ?2 and log = 0`;
  await database.write([{ sql, args: [subscription, subject] }]);
}

/** The statuses of operations that need a valid token, an OpenID provider, or a first key: this store is open. */
const REFUSED: Readonly<Record<string, number>> = {
  "post /session": 401,
  "post /keys": 403,
  "get /keys/{key}": 404,
  "post /keys/{key}/rotate": 404,
  "delete /keys/{key}": 404,
  "get /session/oidc": 404,
  "get /session/oidc/callback": 404,
};

testInProcess(
  "every operation of /openapi.json succeeds with its examples, as /docs prefills them",
  async () => {
    const requests = inOrder(await describedRequests());
    const find = (method: string, path: string) =>
      requests.find((request) => request.method === method && request.path === path);

    // Creates the objects in the examples: an append with the key, a feed with an event, a subscription with a
    // blocked subject, an erased stream.
    const key = find("get", "/appends/{idempotencyKey}")?.parameters[0]?.schema.example;
    await app.fetch("/streams/user-1", {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": String(key) },
      body: JSON.stringify({ events: [{ type: "A", data: {} }] }),
    });
    await app.get("/feeds/declarations/v2/subjects/user-1");
    await app.append("user-0", { type: "A" });
    await app.fetch("/streams/user-0?reason=example", { method: "DELETE" });
    const { subscription } = await sendJson<{ subscription: string }>(find("post", "/subscriptions"));
    // It is sent to a receiver on this machine instead.
    const url = `http://127.0.0.1:${receiver.port}/hook`;
    await app.fetch(`/subscriptions/${subscription}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ url }),
    });
    await block(subscription, "user-1");

    const answers: string[] = [];
    const successes: string[] = [];
    for (const request of requests) {
      const response = await send(request, { subscription });
      const text = await textOf(response);
      const { method, path, body } = request;
      const isExpected = response.ok || response.status === REFUSED[`${method} ${path}`];
      answers.push(
        `${method} ${path} ${body?.mediaType ?? ""}: ${isExpected ? "ok" : `${response.status} ${text}`}`,
      );
      successes.push(`${method} ${path} ${body?.mediaType ?? ""}: ok`);
    }
    expect(answers).toEqual(successes);
    expect(requests.length).toBeGreaterThan(45);
  },
);

testInProcess("a body of an example may be sent again", async () => {
  const appends = (await describedRequests()).filter(({ path }) => /^\/(streams\/|transactions)/.test(path));
  for (const append of [...appends, ...appends].filter(({ method }) => method === "post")) {
    expect((await send(append, {})).status).toBe(201);
  }
});
