import type { Agent, AgentOptions } from "node:http";

import { startTimer } from "../core/timer.ts";
import { nodeReply } from "./node-reply.ts";
import { redirectOf } from "./redirect.ts";
import type { HttpTransport } from "./http-transport.ts";

/** Modules of Node are taken from the running process: an import would break bundles for browsers and workers. */
type GetModule = typeof process.getBuiltinModule;

/** Idle connections are closed after this time, before a server or proxy closes them during a request. */
const IDLE_MS = 4_000;

/** Longest wait for a connection, in milliseconds. A request without a connection was not sent. */
const CONNECT_MS = 10_000;

/** The error code of `fetch` in Node for such a connection. */
const CONNECT_TIMEOUT = "UND_ERR_CONNECT_TIMEOUT";

/** Headers that Node's `fetch` sends as well; proxies refuse requests without some of them. */
const HEADERS = { accept: "*/*", "user-agent": "node", "accept-encoding": "gzip, deflate, br" };

/** Where Node's `fetch` keeps the dispatcher that a program or `NODE_USE_ENV_PROXY` has set, such as one for a proxy. */
const DISPATCHER = Symbol.for("undici.globalDispatcher.1");

/** A dispatcher of undici. Its options are a member whose symbol is described as `options`. */
interface Dispatcher {
  readonly [member: symbol]: { readonly connect?: unknown } | undefined;
  readonly dispatch?: unknown;
}

/**
 * Whether requests of this program go through a dispatcher of its own, which only `fetch` uses: of another class than
 * the default one, composed with interceptors, or with options for connections, such as a certificate authority.
 */
function hasDispatcher(): boolean {
  const dispatcher = (globalThis as { [DISPATCHER]?: Dispatcher })[DISPATCHER];
  if (dispatcher === undefined) return false;
  const { name, prototype } = dispatcher.constructor as typeof Object;
  if (name !== "Agent" || dispatcher.dispatch !== (prototype as Dispatcher).dispatch) return true;
  const options = Object.getOwnPropertySymbols(dispatcher).find((symbol) => symbol.description === "options");
  return options !== undefined && dispatcher[options]?.connect !== undefined;
}

/** Returns `process.getBuiltinModule` in Node; null in Bun, Deno, browsers, workers, and Node before 20.16. */
function nodeModules(): GetModule | null {
  // Bun, Deno and workerd have a `process` too, and name themselves here. Node 20 has no `navigator`.
  const agent = (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent ?? "Node.js/";
  if (typeof process !== "object" || process.release?.name !== "node" || !agent.startsWith("Node.js/"))
    return null;
  return typeof process.getBuiltinModule === "function" ? process.getBuiltinModule.bind(process) : null;
}

/** Methods whose requests state the length of an absent body. */
const WITH_LENGTH = new Set(["POST", "PUT", "PATCH"]);

/** The headers of a request as a list, which Node writes in less time than it takes to set them one by one. */
function rawHeaders({ method = "GET", headers, body }: RequestInit, host: string): string[] {
  const all: Record<string, string> = { host, ...HEADERS };
  const stated = headers as Record<string, string>;
  for (const name in stated) all[name.toLowerCase()] = stated[name] ?? "";
  if (typeof body === "string") all["content-length"] = String(Buffer.byteLength(body));
  else if (WITH_LENGTH.has(method)) all["content-length"] = "0";
  const raw: string[] = [];
  for (const name in all) raw.push(name, all[name] ?? "");
  return raw;
}

interface Agents {
  /** Keeps connections for further requests. */
  readonly kept: Agent;
  /** Opens a connection for each request. */
  readonly fresh: Agent;
}

/** Creates agents whose connections fail when they are not established in time. */
function createAgents(
  create: (options: AgentOptions) => Agent,
  connected: "connect" | "secureConnect",
): Agents {
  const limited = (options: AgentOptions): Agent => {
    const agent = create(options);
    const connect = agent.createConnection.bind(agent);
    agent.createConnection = (target, callback) => {
      const socket = connect(target, callback);
      if (!socket) return socket;
      const cancel = startTimer(CONNECT_MS, () => {
        const error = new Error(`no connection within ${CONNECT_MS} ms`);
        socket.destroy(Object.assign(error, { code: CONNECT_TIMEOUT }));
      });
      socket.once(connected, cancel);
      socket.once("close", cancel);
      return socket;
    };
    return agent;
  };
  return { kept: limited({ keepAlive: true, timeout: IDLE_MS }), fresh: limited({}) };
}

function createNodeTransport(getModule: GetModule): HttpTransport {
  const http = getModule("node:http");
  const https = getModule("node:https");
  const plain = createAgents((options) => new http.Agent(options), "connect");
  const secure = createAgents((options) => new https.Agent(options), "secureConnect");
  const decoding = { zlib: () => getModule("node:zlib"), stream: () => getModule("node:stream") };

  return (url, init, cancellation) =>
    new Promise((resolve, reject) => {
      const { method = "GET" } = init;
      const { protocol, host, hostname, port, pathname, search } = new URL(url);
      const isSecure = protocol === "https:";
      const agents = isSecure ? secure : plain;
      const request = (isSecure ? https : http).request({
        method,
        hostname: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
        port,
        path: pathname + search,
        headers: rawHeaders(init, host),
        agent: init.keepalive === false ? agents.fresh : agents.kept,
      });
      request.on("error", reject);
      request.on("response", (answer) => {
        // A server that does not read the rest of the body would keep the connection, and the process, forever.
        answer.on("end", () => {
          if (!request.writableFinished) request.destroy();
        });
        let redirect: ReturnType<typeof redirectOf>;
        try {
          redirect = redirectOf(url, init, answer.statusCode ?? 0, answer.headers.location);
        } catch (error) {
          // An error that is thrown here would end the process.
          reject(error);
          request.destroy();
          return;
        }
        if (redirect === null) {
          cancellation.onCancel((reason) => answer.destroy(reason as Error));
          resolve(nodeReply(answer, method, decoding));
          return;
        }
        answer.on("error", () => {});
        answer.resume();
        resolve(fetch(redirect.url, { ...redirect.init, signal: cancellation.signal }));
      });
      cancellation.onCancel((reason) => {
        reject(reason);
        request.destroy(reason as Error);
      });
      request.end(init.body);
    });
}

let shared: HttpTransport | undefined;

/**
 * Returns the transport for Node, which all clients share, as they share the connections of `fetch`. It sends a request
 * with `node:http` in a small part of the time that `fetch` takes, behaves like `fetch` for the requests of this client,
 * and opens a new connection for `keepalive: false`. Returns null where the client uses `fetch`.
 */
export function nodeTransport(): HttpTransport | null {
  const getModule = nodeModules();
  if (getModule === null || hasDispatcher()) return null;
  return (shared ??= createNodeTransport(getModule));
}
