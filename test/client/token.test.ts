import { afterEach, describe, expect, test } from "bun:test";

import {
  type ClientOptions,
  createClient,
  KildeError,
  KildeUnreachableError,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

const OLD = "kilde_old";
const NEW = "kilde_new";

const PROBLEM = {
  type: "/problems/storage-full",
  status: 401,
  title: "",
  detail: "no such key",
};

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function listen(fetch: (request: Request) => Response | Promise<Response>) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
  stops.push(() => server.stop(true));
  return server;
}

/** A server that accepts the tokens in `valid`, and the requests that it received, as `METHOD path token`. */
function guarded(...accepted: readonly string[]) {
  const valid = new Set(accepted);
  const requests: string[] = [];
  const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  let position = 0;
  const server = listen((request) => {
    const { pathname } = new URL(request.url);
    const token = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "none";
    requests.push(`${request.method} ${pathname} ${token}`);
    if (!valid.has(token))
      return Response.json(PROBLEM, { status: 401, headers: { "content-type": "application/problem+json" } });
    if (request.headers.get("accept") !== "text/event-stream")
      return Response.json({ stream: "a", version: 1, position: 1, count: 1 }, { status: 201 });
    position += 1;
    const event = {
      id: String(position),
      type: "A",
      subject: "a",
      sequence: "1",
      time: "",
      source: "/events",
    };
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        streams.add(controller);
        controller.enqueue(
          new TextEncoder().encode(`id: ${position}\nevent: A\ndata: ${JSON.stringify(event)}\n\n`),
        );
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    valid,
    /** Ends the event streams, as a server does when their key ends. */
    endStreams() {
      for (const controller of streams) controller.close();
      streams.clear();
    },
  };
}

const RETRY = { attempts: 3, delayMs: 1, maxDelayMs: 2 };

function clientAt(url: string, token: ClientOptions["token"], options: Partial<ClientOptions> = {}) {
  return createClient({ url, retry: RETRY, ...options, ...(token === undefined ? {} : { token }) });
}

/** Returns each token once, and the last one from then on. */
function tokens(...given: readonly string[]) {
  const state = { calls: 0 };
  const next = () => {
    state.calls += 1;
    return Promise.resolve(given[Math.min(state.calls, given.length) - 1] ?? "");
  };
  return { state, next };
}

const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => null,
    (error: unknown) => error,
  );

describe("a client with a token", () => {
  test("sends it with each request", async () => {
    const server = guarded(OLD);
    const client = clientAt(server.url, OLD);
    await client.append("a", { type: "A" });
    await client.subscriptions.get("b");
    expect(server.requests).toEqual([`POST /streams/a ${OLD}`, `GET /subscriptions/b ${OLD}`]);
  });

  test("sends a refused text once, and fails with the server's problem", async () => {
    const server = guarded(NEW);
    const failure = await failureOf(clientAt(server.url, OLD).append("a", { type: "A" }));
    expect(failure).toBeInstanceOf(KildeError);
    expect(server.requests).toHaveLength(1);
  });

  test("repeats a refused request once with the next token of the function", async () => {
    const server = guarded(NEW);
    const { state, next } = tokens(OLD, NEW);
    await clientAt(server.url, next).append("a", { type: "A" }, { idempotencyKey: null });
    expect(server.requests).toEqual([`POST /streams/a ${OLD}`, `POST /streams/a ${NEW}`]);
    expect(state.calls).toBe(2);
  });

  test("does not repeat a refused request with the same token", async () => {
    const server = guarded(NEW);
    const { state, next } = tokens(OLD);
    expect(await failureOf(clientAt(server.url, next).append("a", { type: "A" }))).toBeInstanceOf(KildeError);
    expect(server.requests).toHaveLength(1);
    expect(state.calls).toBe(2);
  });

  test("fails after the second refusal", async () => {
    const server = guarded();
    const { state, next } = tokens("one", "two", "three");
    expect(await failureOf(clientAt(server.url, next).append("a", { type: "A" }))).toBeInstanceOf(KildeError);
    expect(state.calls).toBe(2);
  });

  test("takes a new token when a followed stream ends with its key, and continues", async () => {
    const server = guarded(OLD);
    let token = OLD;
    const following = clientAt(server.url, () => token).follow({ stream: "a", lastEventId: 0 });
    expect((await following.next()).value?.position).toBe(1);
    const second = following.next();
    server.valid.clear();
    server.valid.add(NEW);
    token = NEW;
    server.endStreams();
    expect((await second).value?.position).toBe(2);
    await following.return();
    expect(server.requests).toEqual([`GET /streams/a ${OLD}`, `GET /streams/a ${NEW}`]);
  });

  test("asks for a token once more when following is refused, and then fails", async () => {
    const server = guarded(OLD);
    const { state, next } = tokens(OLD, "second", "third");
    const following = clientAt(server.url, next).follow({ stream: "a", lastEventId: 0 });
    await following.next();
    const second = failureOf(following.next());
    server.valid.clear();
    server.endStreams();
    expect(await second).toBeInstanceOf(KildeError);
    expect(server.requests.slice(1)).toEqual(["GET /streams/a second", "GET /streams/a third"]);
    expect(state.calls).toBe(3);
  });

  test("retries a function that fails, and sends nothing meanwhile", async () => {
    const server = guarded(OLD);
    let calls = 0;
    const errors: unknown[] = [];
    const token = async () => {
      calls += 1;
      if (calls < 3) throw new Error("the issuer is away");
      return OLD;
    };
    await clientAt(server.url, token, { onRetry: (error) => errors.push(error) }).append("a", { type: "A" });
    expect(server.requests).toHaveLength(1);
    expect(errors.map(String)).toEqual([
      expect.stringContaining("the function `token` failed: the issuer is away"),
      expect.stringContaining("the function `token` failed: the issuer is away"),
    ]);
  });

  test("fails with a known outcome when its function keeps failing", async () => {
    const server = guarded(OLD);
    const token = () => Promise.reject(new Error("the issuer is away"));
    const failure = await failureOf(clientAt(server.url, token).append("a", { type: "A" }));
    expect(failure).toBeInstanceOf(KildeUnreachableError);
    expect(failure).toMatchObject({ isOutcomeUnknown: false });
    expect(server.requests).toEqual([]);
  });

  test("fails at once, also while following, when its function returns no token", async () => {
    const server = guarded(OLD);
    const client = clientAt(server.url, (() => undefined) as never);
    for (const call of [client.append("a", { type: "A" }), client.follow().next()]) {
      const failure = await failureOf(call);
      expect(failure).toBeInstanceOf(TypeError);
      expect(String(failure)).toContain("The result of the function `token` is undefined, and not a text");
    }
    expect(server.requests).toEqual([]);
  });

  test("does not send the token to another origin that a server redirects to", async () => {
    const other = guarded();
    const server = listen((request) =>
      Response.redirect(
        `${other.url.replace("127.0.0.1", "localhost")}${new URL(request.url).pathname}`,
        307,
      ),
    );
    await failureOf(clientAt(`http://127.0.0.1:${server.port}`, OLD).append("a", { type: "A" }));
    await eventually(() => other.requests.length > 0);
    expect(other.requests).toEqual(["POST /streams/a none"]);
  });
});

describe("token:", () => {
  const SECRET = "secret token\n";

  test.each([SECRET, "", 7, "ключ"])(
    "a client refuses a token that no header can carry, and does not show it: %p",
    (token) => {
      const create = () => createClient({ url: "http://127.0.0.1:1", token: token as string });
      expect(create).toThrow(TypeError);
      expect(create).toThrow(/^createClient: token is /);
      if (token === SECRET) expect(create).not.toThrow("secret");
    },
  );

  test("errors do not contain the token of a function", async () => {
    const failure = await failureOf(clientAt("http://127.0.0.1:1", () => SECRET).append("a", { type: "A" }));
    expect(failure).toBeInstanceOf(TypeError);
    expect(Bun.inspect(failure)).not.toContain("secret");
  });

  test("the error of an unreachable server does not contain the token", async () => {
    const failure = await failureOf(clientAt("http://127.0.0.1:1", "hunter2").append("a", { type: "A" }));
    expect(failure).toBeInstanceOf(KildeUnreachableError);
    expect(Bun.inspect(failure)).not.toContain("hunter2");
  });

  test("a client refuses a token beside the header that would carry it", () => {
    const options = { url: "http://127.0.0.1:1", token: OLD, headers: { Authorization: `Bearer ${OLD}` } };
    expect(() => createClient(options)).toThrow("state `token` or the header `authorization`, not both");
  });
});
