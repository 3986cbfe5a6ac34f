import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

import {
  type Client,
  type ClientOptions,
  createClient,
  KildeUnreachableError,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

/** Long enough for a request to arrive on a busy machine. */
const ANSWER_MS = 400;
const TIMEOUTS = { answerMs: ANSWER_MS, silenceMs: 200 };
const RETRY = { attempts: 2, delayMs: 1, maxDelayMs: 2 };

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/**
 * A server that answers each request with `answer`, byte for byte, and then stays silent. Returns the requests it
 * received.
 */
async function mute(answer = ""): Promise<{ url: string; requests: string[]; closed: () => number }> {
  const requests: string[] = [];
  let closed = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => (closed += 1));
    socket.on("data", (bytes) => {
      const line = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE) [^ ]+/.exec(bytes.toString("latin1"))?.[0];
      if (line === undefined) return;
      requests.push(line);
      socket.write(answer);
    });
  });
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    closed: () => closed,
  };
}

function clientOf(url: string, options: Partial<ClientOptions> = {}): Client {
  return createClient({ url, timeouts: TIMEOUTS, retry: RETRY, ...options });
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The error that a promise rejects with. */
async function failureOf(work: Promise<unknown>): Promise<KildeUnreachableError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KildeUnreachableError);
  return error as KildeUnreachableError;
}

const HEADERS = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

describe("a server that accepts and never answers", () => {
  const reads: Record<string, (client: Client) => Promise<unknown>> = {
    head: (client) => client.head(),
    read: (client) => all(client.read()),
    history: (client) => client.history({ identity: "x" }),
    streams: (client) => all(client.streams()),
    consumers: (client) => all(client.consumers()),
    findAppend: (client) => client.findAppend("key"),
    "subscriptions.list": (client) => all(client.subscriptions.list()),
    "subscriptions.attempts": (client) => client.subscriptions.attempts("sub"),
  };
  test("reads are repeated, and then reject", async () => {
    const attempts = Object.entries(reads).map(async ([name, call]) => {
      const { url, requests } = await mute();
      const failed: unknown[] = [];
      const failure = await failureOf(call(clientOf(url, { onRetry: (error) => failed.push(error) })));
      return [name, failure.isOutcomeUnknown, failure.waitedMs, requests.length, failed.length];
    });
    const expected = Object.keys(reads).map((name) => [name, false, ANSWER_MS, 2, 1]);
    expect(await Promise.all(attempts)).toEqual(expected);
  });

  const repeatedWrites: Record<string, (client: Client) => Promise<unknown>> = {
    commit: (client) => client.commit(1, { consumer: "c" }),
    truncate: (client) => client.truncate("s", 1),
    erase: (client) => client.erase("s", "asked"),
  };
  test("writes that are safe to repeat are repeated, and then reject with an unknown outcome", async () => {
    const attempts = Object.entries(repeatedWrites).map(async ([name, call]) => {
      const { url, requests } = await mute();
      return [name, (await failureOf(call(clientOf(url)))).isOutcomeUnknown, requests.length];
    });
    const expected = Object.keys(repeatedWrites).map((name) => [name, true, 2]);
    expect(await Promise.all(attempts)).toEqual(expected);
  });

  test("append: is repeated with one key, which the error names", async () => {
    const { url, requests } = await mute();
    const failure = await failureOf(clientOf(url).append("s", { type: "A" }));
    expect(requests).toEqual(["POST /streams/s", "POST /streams/s"]);
    expect(failure.isOutcomeUnknown).toBe(true);
    expect(failure.idempotencyKey).toMatch(/^[0-9a-f-]{36}$/);
    expect(failure.message).toContain(`The outcome of POST /streams/s is unknown`);
    expect(failure.message).toContain(failure.idempotencyKey ?? "?");
  });

  const once: Record<string, (client: Client) => Promise<unknown>> = {
    "append without a key": (client) => client.append("s", { type: "A" }, { idempotencyKey: null }),
    "subscriptions.remove": (client) => client.subscriptions.remove("sub"),
    "subscriptions.rotateSecret": (client) => client.subscriptions.rotateSecret("sub"),
  };
  test("writes that are not safe to repeat are sent once, and reject with an unknown outcome", async () => {
    const attempts = Object.entries(once).map(async ([name, call]) => {
      const { url, requests } = await mute();
      const { isOutcomeUnknown, idempotencyKey, message } = await failureOf(call(clientOf(url)));
      expect(message).toContain("read what the server has before you repeat it");
      return [name, isOutcomeUnknown, idempotencyKey, requests.length];
    });
    const expected = Object.keys(once).map((name) => [name, true, null, 1]);
    expect(await Promise.all(attempts)).toEqual(expected);
  });

  test("follow: connects again and again, and reports each attempt", async () => {
    const { url, requests } = await mute();
    const stop = new AbortController();
    let failures = 0;
    const client = clientOf(url, {
      onRetry: () => {
        failures += 1;
        if (failures === 3) stop.abort();
      },
    });
    expect(await all(client.follow({ signal: stop.signal }))).toEqual([]);
    expect(requests.length).toBeGreaterThanOrEqual(3);
  });

  test("a long poll has the time that the server waits in addition", async () => {
    const { url } = await mute();
    const failure = await failureOf(all(clientOf(url).read({ timeout: 150 })));
    expect(failure.waitedMs).toBe(150 + ANSWER_MS);
  });
});

test("a request that was refused was not done", async () => {
  const { url } = await mute();
  servers.splice(0).forEach((server) => server.close());
  const failure = await failureOf(clientOf(url).append("s", { type: "A" }));
  expect(failure).toMatchObject({ isOutcomeUnknown: false, idempotencyKey: null });
});

const SILENT_BODIES = {
  "a short body": `${HEADERS}content-length: 20\r\n\r\n[`,
  "a long body": `${HEADERS}content-length: 200000\r\n\r\n[`,
  "a body without a stated length": `${HEADERS}transfer-encoding: chunked\r\n\r\n1\r\n[\r\n`,
};
for (const [name, answer] of Object.entries(SILENT_BODIES)) {
  test(`${name} that goes silent is cancelled, and requested again`, async () => {
    const { url, requests, closed } = await mute(answer);
    await failureOf(all(clientOf(url).read()));
    expect(requests).toHaveLength(2);
    await eventually(() => closed() >= 2);
  });
}

test("an event stream that goes silent is cancelled, and connected again", async () => {
  const greeting = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
  const { url, requests, closed } = await mute(`${greeting}3\r\n:\n\n\r\n`);
  const stop = new AbortController();
  const following = all(clientOf(url).follow({ signal: stop.signal }));
  await eventually(() => requests.length >= 3);
  stop.abort();
  await following;
  // Also those of before were closed by the client, and not left open.
  await eventually(() => closed() >= requests.length);
});

test("a follower that is left closes its connection", async () => {
  const event = `id: 1\\ndata: {"id":"1","type":"A","subject":"s","time":"2026-01-01T00:00:00Z","sequence":"1"}\\n\\n`;
  const text = event.replaceAll("\\n", "\n");
  const { url, closed } = await mute(
    `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n`,
  );
  for await (const { type } of clientOf(url, { timeouts: { silenceMs: 60_000 } }).follow()) {
    expect(type).toBe("A");
    break;
  }
  await eventually(() => closed() > 0);
});

test("an answer that arrives slowly, but without silence, is read", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      const parts = ["[", ...Array.from({ length: 12 }, () => " "), "]"];
      const body = new ReadableStream<string>({
        async pull(controller) {
          await Bun.sleep(15);
          const part = parts.shift();
          if (part === undefined) controller.close();
          else controller.enqueue(part);
        },
      });
      return new Response(body.pipeThrough(new TextEncoderStream()));
    },
  });
  try {
    const timeouts = { answerMs: 5_000, silenceMs: 150 };
    expect(await all(clientOf(server.url.href, { timeouts }).read())).toEqual([]);
  } finally {
    await server.stop(true);
  }
});

test("an abort ends a request at once, and is not reported as a failure of the server", async () => {
  const { url } = await mute();
  const stop = new AbortController();
  const client = clientOf(url, { timeouts: { answerMs: 60_000 } });
  const appending = client
    .append("s", { type: "A" }, { signal: stop.signal })
    .catch((error: unknown) => error);
  stop.abort();
  expect(await appending).not.toBeInstanceOf(KildeUnreachableError);
});

describe("connections of the pool that went silent", () => {
  const COUNT = 6;
  /** More than the two seconds that the connections of a pool are suspected after. */
  const timeouts = { answerMs: 2_200, silenceMs: 2_200 };

  /** A server that answers, until the connections of so many reads at the same time go silent; new ones are answered. */
  async function withDeadPool(): Promise<{ client: Client; failed: unknown[] }> {
    const asked = new Set<Socket>();
    const dead = new Set<Socket>();
    const body = '{"version":1}';
    const answer = `${HEADERS}content-length: ${body.length}\r\n\r\n${body}`;
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", () => {
        if (dead.has(socket)) return;
        if (dead.size > 0) socket.write(answer);
        asked.add(socket);
        // Each has a connection of its own, because none is answered before all have arrived.
        if (dead.size === 0 && asked.size === COUNT) for (const each of asked) each.write(answer);
      });
    });
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const failed: unknown[] = [];
    const retry = { attempts: 5, delayMs: 1, maxDelayMs: 2 };
    const client = clientOf(url, { timeouts, retry, onRetry: (error) => failed.push(error) });
    await Promise.all(Array.from({ length: COUNT }, () => client.findAppend("key")));
    for (const socket of asked) dead.add(socket);
    expect(dead.size).toBe(COUNT);
    return { client, failed };
  }

  test("a read takes a new connection after the first of them", async () => {
    const { client, failed } = await withDeadPool();
    await client.findAppend("key");
    expect(failed).toHaveLength(1);
    // The next one meets at most one of them.
    await client.findAppend("key");
    expect(failed.length).toBeLessThanOrEqual(2);
  });

  test("so does a write that is not repeated, once they are suspected", async () => {
    const { client } = await withDeadPool();
    const append = () => client.append("s", { type: "A" }, { idempotencyKey: null });
    expect((await failureOf(append())).isOutcomeUnknown).toBe(true);
    expect((await append()).version).toBe(1);
  });
});
