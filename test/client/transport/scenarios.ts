import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { brotliCompressSync, constants, createGzip, deflateSync, gzipSync } from "node:zlib";

import { type Client, KildeError, KildeUnreachableError } from "../../../src/client/index.ts";
import type { World } from "./world.ts";

/** A statement about requests, which holds with each transport. */
export interface Scenario {
  readonly title: string;
  /** Only the transport of `node:http` can do it. */
  readonly isOwn?: true;
  readonly run: (world: World) => Promise<void>;
}

const EVENT =
  '{"specversion":"1.0","id":"1","source":"/events","type":"A","subject":"s","time":"","sequence":"1"}';
const APPENDED = '{"stream":"s","version":1,"position":1,"count":1}';
const SHORT = { answerMs: 300, silenceMs: 300 };

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const bytes of request) text += String(bytes);
  return text;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function eventually(isTrue: () => boolean): Promise<void> {
  for (let waited = 0; !isTrue(); waited += 10) {
    assert.ok(waited < 5_000, "it did not happen within 5 seconds");
    await wait(10);
  }
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error,
  );
}

async function unreachableBy(work: Promise<unknown>): Promise<KildeUnreachableError> {
  const error = await failureOf(work);
  assert.ok(error instanceof KildeUnreachableError, String(error));
  return error;
}

const answers: readonly Scenario[] = [
  {
    title: "appends, reads, lists, follows and fails as the server answers",
    async run({ client, kilde }) {
      const stream = `s-${crypto.randomUUID()}`;
      const store = client(kilde, { consumer: "ü" });
      const note = "ø".repeat(2_000);
      const events = Array.from({ length: 120 }, (_, n) => ({ type: "A", data: { n, note } }));
      const { version, position } = await store.append(stream, events);
      assert.equal(version, 120);
      const read = await all(store.read<{ n: number; note: string }>({ stream }));
      assert.deepEqual(
        read.map(({ data }) => data),
        events.map(({ data }) => data),
      );
      const conflict = await failureOf(store.append(stream, { type: "B" }, { expectedVersion: 1 }));
      assert.ok(conflict instanceof KildeError);
      assert.equal(conflict.code, "version-conflict");
      assert.equal(conflict.members.currentVersion, 120);
      assert.ok((await store.head()) >= position);
      assert.ok((await store.history()).head >= position);
      const found: number[] = [];
      for await (const event of store.follow({ stream })) {
        if (found.length === 0) await store.append(stream, { type: "C" });
        found.push(event.version);
        if (event.type === "C") break;
      }
      assert.deepEqual(
        found,
        Array.from({ length: 121 }, (_, n) => n + 1),
      );
    },
  },
  {
    title: "merges appends that are issued at the same time",
    async run({ client, kilde }) {
      const stream = `s-${crypto.randomUUID()}`;
      const store = client(kilde);
      const appends = Array.from({ length: 100 }, (_, n) =>
        store.append(`${stream}-${n % 4}`, { type: "A", data: n }),
      );
      const results = await Promise.all(appends);
      assert.deepEqual(
        results.map(({ version }) => version),
        Array.from({ length: 100 }, (_, n) => Math.floor(n / 4) + 1),
      );
      const read = await all(store.read<number>({ stream: `${stream}-1` }));
      assert.deepEqual(
        read.map(({ data }) => data),
        Array.from({ length: 25 }, (_, n) => 4 * n + 1),
      );
    },
  },
  {
    title: "takes one signal for many appends and reads, and one listener of it",
    async run({ client, kilde }) {
      const warnings: string[] = [];
      const warn = ({ message }: Error) => void warnings.push(message);
      process.on("warning", warn);
      const { signal } = new AbortController();
      const store = client(kilde);
      const stream = `s-${crypto.randomUUID()}`;
      const appends = Array.from({ length: 100 }, (_, n) =>
        store.append(
          `${stream}-${n}`,
          { type: "A" },
          { signal, idempotencyKey: n < 20 ? null : `${stream}-${n}` },
        ),
      );
      assert.equal(getEventListeners(signal, "abort").length, 1);
      await Promise.all(appends);
      await Promise.all(appends.map((_, n) => all(store.read({ stream: `${stream}-${n}`, signal }))));
      // Node emits warnings in the next turn.
      await wait(0);
      process.off("warning", warn);
      assert.deepEqual(warnings, []);
    },
  },
  {
    title: "sends what it is given, to the path that the URL has",
    async run({ client, http }) {
      const seen: unknown[] = [];
      const { url } = await http((request, response) => {
        void bodyOf(request).then((body) => {
          const {
            authorization,
            "content-length": length,
            "kilde-consumer": consumer,
            accept,
          } = request.headers;
          seen.push([
            request.method,
            request.url,
            authorization,
            length,
            consumer,
            accept,
            request.headers["user-agent"],
            body,
          ]);
          response.end(APPENDED);
        });
      });
      const store = client(`${url}/base`, { token: "t", consumer: "ü" });
      await store.append("a/é", { type: "Ä" }, { idempotencyKey: null });
      const body = '{"events":[{"type":"Ä"}]}';
      assert.deepEqual(seen, [
        ["POST", "/base/streams/a%2F%C3%A9", "Bearer t", "26", "%C3%BC", "*/*", "node", body],
      ]);
    },
  },
  {
    title: "sends the headers of the client's options once, whatever their case, and the length of a body",
    async run({ client, http }) {
      const seen: unknown[] = [];
      const { url } = await http(({ method, headers, rawHeaders }, response) => {
        const agents = rawHeaders.filter((name) => /^user-agent$/i.test(name)).length;
        seen.push([
          method,
          headers["user-agent"],
          agents,
          headers["content-length"],
          headers["transfer-encoding"],
        ]);
        response.end(APPENDED);
      });
      const store = client(url, { headers: { "User-Agent": "tests" } });
      await store.subscriptions.rotateSecret("s");
      await store.subscriptions.resume("s");
      await store.subscriptions.remove("s");
      await store.append("s", { type: "é" });
      assert.deepEqual(seen, [
        ["POST", "tests", 1, "2", undefined],
        ["POST", "tests", 1, "0", undefined],
        ["DELETE", "tests", 1, undefined, undefined],
        ["POST", "tests", 1, "26", undefined],
      ]);
    },
  },
  {
    title: "keeps connections for requests one after another",
    async run({ client, http }) {
      const { url, connections: opened } = await http((_, response) => response.end(APPENDED));
      const store = client(url);
      for (let n = 0; n < 6; n += 1) await store.append("s", { type: "A" });
      // fetch may free a connection after the next request has started.
      assert.ok(opened() <= 2, String(opened()));
    },
  },
  {
    title: "keeps a connection after a HEAD, and after an answer without a body",
    isOwn: true,
    async run({ client, http }) {
      const { url, connections: opened } = await http(({ method }, response) => {
        if (method === "HEAD") response.writeHead(200, { "kilde-head": "7", "content-length": "9" });
        else response.writeHead(204);
        response.end();
      });
      const store = client(url);
      for (let n = 0; n < 3; n += 1) {
        assert.equal(await store.head(), 7);
        await wait(10);
        await store.subscriptions.remove("s");
        await wait(10);
      }
      assert.equal(opened(), 1);
    },
  },
  {
    title: "sends requests at the same time over several connections",
    async run({ client, http }) {
      const waiting: (() => void)[] = [];
      const { url } = await http((_, response) => {
        waiting.push(() => response.end(APPENDED));
        if (waiting.length === 20) for (const answer of waiting) answer();
      });
      const store = client(url);
      await Promise.all(Array.from({ length: 20 }, () => store.findAppend("key").catch(() => {})));
      assert.equal(waiting.length, 20);
    },
  },
  {
    title: "reaches a server by its IPv6 address",
    async run({ client, http }) {
      const hosts: unknown[] = [];
      const server = await http((request, response) => {
        hosts.push(request.headers.host);
        response.end(APPENDED);
      }, "::1").catch((error: NodeJS.ErrnoException) => assert.equal(error.code, "EADDRNOTAVAIL"));
      if (server === undefined) return;
      await client(server.url).append("s", { type: "A" });
      assert.deepEqual(hosts, [new URL(server.url).host]);
    },
  },
];

const ENCODINGS = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  "gzip, br": (text: string) => brotliCompressSync(gzipSync(text)),
};

const encodings: readonly Scenario[] = [
  ...Object.entries(ENCODINGS).map(([encoding, encode]): Scenario => ({
    title: `decodes a page in ${encoding}`,
    async run({ client, http }) {
      const asked: unknown[] = [];
      const { url } = await http((request, response) => {
        asked.push(request.headers["accept-encoding"]);
        response.setHeader("content-encoding", encoding);
        response.end(encode(`[${EVENT}]`));
      });
      const [event] = await all(client(url, { compression: true }).read({ limit: 1 }));
      assert.equal(event?.type, "A");
      assert.match(String(asked[0]), /gzip.*deflate/);
    },
  })),
  {
    title: "asks for answers without compression, unless it is wanted",
    async run({ client, http }) {
      const asked: unknown[] = [];
      const { url } = await http((request, response) => {
        asked.push(request.headers["accept-encoding"]);
        response.end(APPENDED);
      });
      await client(url).append("s", { type: "A" });
      assert.deepEqual(asked, ["identity"]);
    },
  },
  {
    title: "decodes a compressed event stream as it arrives",
    async run({ client, http }) {
      const { url } = await http((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
        const gzip = createGzip();
        gzip.pipe(response);
        gzip.write(`id: 1\ndata: ${EVENT}\n\n`);
        gzip.flush(constants.Z_SYNC_FLUSH);
      });
      for await (const event of client(url, { compression: true }).follow()) {
        assert.equal(event.type, "A");
        break;
      }
    },
  },
  {
    title: "rejects an answer whose compressed text is broken",
    async run({ client, http }) {
      const { url } = await http((_, response) => {
        response.setHeader("content-encoding", "gzip");
        response.end("not gzip");
      });
      await unreachableBy(all(client(url, { compression: true }).read()));
    },
  },
];

const redirects: readonly Scenario[] = [
  {
    title: "follows a redirect with the method, the body and, within the origin, the token",
    async run({ client, http }) {
      const seen: unknown[] = [];
      const { url } = await http((request, response) => {
        void bodyOf(request).then((body) => {
          seen.push([request.method, request.url, body === "", request.headers.authorization]);
          if (request.url === "/streams/s") response.writeHead(307, { location: "/moved" }).end();
          else response.end(APPENDED);
        });
      });
      await client(url, { token: "t" }).append("s", { type: "A" });
      assert.deepEqual(seen, [
        ["POST", "/streams/s", false, "Bearer t"],
        ["POST", "/moved", false, "Bearer t"],
      ]);
    },
  },
  {
    title: "follows a redirect to another origin without the token",
    async run({ client, http }) {
      const seen: unknown[] = [];
      const other = await http((request, response) => {
        seen.push([request.method, request.headers.authorization ?? null, request.headers.host]);
        response.end(APPENDED);
      });
      const { url } = await http((_, response) =>
        response.writeHead(308, { location: `${other.url}/x` }).end(),
      );
      await client(url, { token: "t" }).append("s", { type: "A" });
      assert.deepEqual(seen, [["POST", null, new URL(other.url).host]]);
    },
  },
  {
    title: "follows a 302 of a POST, and a 303, with a GET without a body",
    async run({ client, http }) {
      const seen: unknown[] = [];
      const { url } = await http((request, response) => {
        seen.push([request.method, request.headers["content-type"] ?? null]);
        if (request.url === "/done") response.end(APPENDED);
        else response.writeHead(request.url === "/streams/a" ? 302 : 303, { location: "/done" }).end();
      });
      for (const stream of ["a", "b"]) await client(url).append(stream, { type: "A" });
      const pair = [
        ["POST", "application/json"],
        ["GET", null],
      ];
      assert.deepEqual(seen, [...pair, ...pair]);
    },
  },
  {
    title: "fails at a redirect without end",
    async run({ client, http }) {
      const { url } = await http((_, response) => response.writeHead(302, { location: "/again" }).end());
      await unreachableBy(all(client(url).read()));
    },
  },
  {
    title: "fails at a redirect to a text that is not an address",
    async run({ client, http }) {
      const { url } = await http((_, response) => response.writeHead(307, { location: "http://[" }).end());
      await unreachableBy(all(client(url).read()));
    },
  },
];

const HEADERS = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const SILENT = {
  "before its answer": "",
  "within its headers": HEADERS,
  "within a short body": `${HEADERS}content-length: 20\r\n\r\n[`,
  "within a long body": `${HEADERS}content-length: 200000\r\n\r\n[`,
  "within a chunked body": `${HEADERS}transfer-encoding: chunked\r\n\r\n1\r\n[\r\n`,
};

const ends: readonly Scenario[] = Object.entries(SILENT).flatMap(([place, answer]): Scenario[] => [
  {
    title: `closes the connection of a server that goes silent ${place}`,
    async run({ client, tcp }) {
      const { url, closed } = await tcp((socket) => socket.write(answer));
      const { waitedMs } = await unreachableBy(all(client(url, { timeouts: SHORT }).read()));
      assert.equal(waitedMs, 300);
      await eventually(() => closed() === 2);
    },
  },
  {
    title: `ends with the reason of an abort while the server is silent ${place}`,
    async run({ client, tcp }) {
      const { url, closed } = await tcp((socket) => socket.write(answer));
      const stop = new AbortController();
      const failure = failureOf(all(client(url).read({ signal: stop.signal })));
      await wait(100);
      const reason = new Error("enough");
      stop.abort(reason);
      assert.equal(await failure, reason);
      await eventually(() => closed() === 1);
    },
  },
  {
    title: `reports a connection that is reset ${place}, and repeats only a request that is safe to repeat`,
    async run({ client, tcp }) {
      let requests = 0;
      const { url } = await tcp((socket, text) => {
        if (!/^(GET|POST) /.test(text)) return;
        requests += 1;
        socket.write(answer, () => socket.resetAndDestroy());
      });
      assert.equal((await unreachableBy(all(client(url).read()))).isOutcomeUnknown, false);
      assert.equal(requests, 2);
      const append = client(url).append("s", { type: "A" }, { idempotencyKey: null });
      assert.equal((await unreachableBy(append)).isOutcomeUnknown, true);
      assert.equal(requests, 3);
    },
  },
]);

/** A dispatcher of undici's class for direct connections, which is the default. */
function agentOf(options: object, own: object = {}): object {
  class Agent {
    readonly [key: symbol]: object;
    dispatch(): boolean {
      return false;
    }
  }
  return Object.assign(new Agent(), { [Symbol("options")]: options }, own);
}

const DISPATCHERS = {
  "for a proxy": { constructor: { name: "ProxyAgent" } },
  "with a certificate authority": agentOf({ connect: { ca: "" } }),
  "with interceptors": agentOf({ connect: undefined }, { dispatch: () => true }),
};

/** Creates a client while the program has set a dispatcher. */
function clientBeside(dispatcher: object, create: () => Client): Client {
  const symbol = Symbol.for("undici.globalDispatcher.1");
  const globals = globalThis as { [symbol]?: object };
  const before = globals[symbol];
  globals[symbol] = dispatcher;
  const client = create();
  if (before === undefined) delete globals[symbol];
  else globals[symbol] = before;
  return client;
}

const connections: readonly Scenario[] = [
  {
    title: "sends nothing for a signal that is aborted already",
    async run({ client, http }) {
      let requests = 0;
      const { url } = await http((_, response) => {
        requests += 1;
        response.end(APPENDED);
      });
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      assert.equal(await failureOf(client(url).append("s", { type: "A" }, { signal })), reason);
      await wait(50);
      assert.equal(requests, 0);
    },
  },
  {
    title: "ends with a reason that is no error",
    async run({ client, tcp }) {
      const { url } = await tcp(() => {});
      const stop = new AbortController();
      const failure = failureOf(client(url).append("s", { type: "A" }, { signal: stop.signal }));
      await wait(50);
      stop.abort("enough");
      assert.equal(await failure, "enough");
    },
  },
  {
    title: "knows that a request without a connection was not sent",
    async run({ client, http }) {
      const { url } = await http(() => {});
      for (const absent of ["http://kilde.invalid", url.replace("127.0.0.1", "127.0.0.2")]) {
        const append = client(absent).append("s", { type: "A" }, { idempotencyKey: null });
        assert.equal((await unreachableBy(append)).isOutcomeUnknown, false, absent);
      }
    },
  },
  {
    title: "repeats a keyed request whose kept connection the server has closed",
    async run({ client, tcp }) {
      const body = APPENDED;
      const idle: Socket[] = [];
      const { url } = await tcp((socket, text) => {
        if (!text.startsWith("POST")) return;
        if (idle.includes(socket)) socket.destroy();
        else socket.write(`HTTP/1.1 201 Created\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        idle.push(socket);
      });
      const store = client(url);
      await store.append("s", { type: "A" });
      await store.append("s", { type: "A" });
      assert.equal(new Set(idle).size, 2);
    },
  },
  {
    title: "continues after the server has closed idle connections",
    async run({ client, tcp }) {
      let open = 0;
      const { url } = await tcp((socket) => {
        open += 1;
        socket.end(`HTTP/1.1 201 Created\r\ncontent-length: ${APPENDED.length}\r\n\r\n${APPENDED}`);
      });
      const store = client(url, { retry: { attempts: 1 } });
      for (let n = 0; n < 3; n += 1) {
        await store.append("s", { type: "A" });
        await wait(300);
      }
      assert.equal(open, 3);
    },
  },
  {
    title: "closes the connection of a server that answers before it has read the body",
    async run({ client, tcp }) {
      let received = 0;
      const unread = new Set<Socket>();
      const { url, closed } = await tcp((socket, text) => {
        received += text.length;
        if (unread.has(socket)) return;
        unread.add(socket.pause());
        socket.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n");
      });
      const data = "x".repeat(24 * 1024 * 1024);
      await failureOf(client(url).append("s", { type: "A", data }));
      await wait(50);
      for (const socket of unread) socket.resume();
      await eventually(() => closed() === 1);
      assert.ok(received < data.length, `${received} bytes`);
    },
  },
  {
    title: "closes the connection of a follower that stops",
    async run({ client, tcp }) {
      const text = `id: 1\ndata: ${EVENT}\n\n`;
      const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
      const { url, closed } = await tcp((socket) =>
        socket.write(`${head}${text.length.toString(16)}\r\n${text}\r\n`),
      );
      for await (const event of client(url).follow()) {
        assert.equal(event.position, 1);
        break;
      }
      await eventually(() => closed() === 1);
    },
  },
  {
    title: "does not trust a certificate that nobody signed",
    async run({ client, certificate, onEnd }) {
      const sockets = new Set<Socket>();
      const server = createTlsServer(certificate, (_, response) => response.end(APPENDED));
      server.on("connection", (socket: Socket) => sockets.add(socket));
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      onEnd(server, sockets);
      const { port } = server.address() as AddressInfo;
      const failure = await unreachableBy(client(`https://localhost:${port}`).append("s", { type: "A" }));
      const codes: unknown[] = [];
      for (let error: unknown = failure; error instanceof Error; error = error.cause)
        codes.push("code" in error ? error.code : null);
      assert.ok(codes.includes("DEPTH_ZERO_SELF_SIGNED_CERT"), String(codes));
    },
  },
  ...Object.entries(DISPATCHERS).map(([kind, dispatcher]): Scenario => ({
    title: `is sent by fetch when the program has set a dispatcher ${kind}`,
    isOwn: true,
    async run({ client, http }) {
      const modes: unknown[] = [];
      const { url } = await http(({ headers }, response) => {
        // Only fetch sends it.
        modes.push(headers["sec-fetch-mode"]);
        response.end(APPENDED);
      });
      await clientBeside(dispatcher, () => client(url)).append("s", { type: "A" });
      const direct = agentOf({ connect: undefined, maxOrigins: 9 });
      await clientBeside(direct, () => client(url)).append("s", { type: "A" });
      assert.deepEqual(modes, ["cors", undefined]);
    },
  })),
  {
    title: "takes new connections while kept ones may be dead",
    isOwn: true,
    async run({ client, tcp }) {
      const dead = new Set<Socket>();
      const asked = new Set<Socket>();
      const answer = `HTTP/1.1 201 Created\r\ncontent-length: ${APPENDED.length}\r\n\r\n${APPENDED}`;
      const { url } = await tcp((socket, text) => {
        if (dead.has(socket) || !text.startsWith("GET")) return;
        asked.add(socket);
        if (dead.size > 0) socket.write(answer);
        else if (asked.size === 6) for (const each of asked) each.write(answer);
      });
      const failed: unknown[] = [];
      const timeouts = { answerMs: 2_200, silenceMs: 2_200 };
      const store = client(url, { timeouts, onRetry: (error) => failed.push(error) });
      await Promise.all(Array.from({ length: 6 }, () => store.findAppend("key")));
      for (const socket of asked) dead.add(socket);
      await store.findAppend("key");
      assert.equal(failed.length, 1);
    },
  },
];

export const SCENARIOS: readonly Scenario[] = [
  ...answers,
  ...encodings,
  ...redirects,
  ...ends,
  ...connections,
];
