import { join } from "node:path";

import { freePort, type Sandbox, type Server } from "./sandbox.ts";
import * as work from "./workload.ts";

export const SECRET_KEY = `k1:${btoa("0123456789abcdef0123456789abcdef")}`;

/** A server of Kilde for a work with a course of its own. */
export interface KildeServer {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  request<Body>(method: string, path: string, body?: unknown): Promise<Body>;
}

export interface KildeServerOptions {
  /** Default: a new file. */
  readonly file?: string;
  /** The text of a configuration. */
  readonly config?: string;
}

/** The answer to a request with a JSON body; throws when it is a refusal. */
export async function requestJson<Body>(
  url: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Body> {
  const headers = { "content-type": "application/json" };
  const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
  const response = await fetch(url + path, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === "" ? null : JSON.parse(text)) as Body;
}

/** Starts a server without an access log, which may deliver to this machine. */
export async function startServer(
  sandbox: Sandbox,
  command: readonly string[],
  { file = join(sandbox.folder("server"), "kilde.db"), config }: KildeServerOptions = {},
): Promise<KildeServer> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const request = <Body>(method: string, path: string, body?: unknown) =>
    requestJson<Body>(url, method, path, body);
  const options = ["--database-url", `file:${file}`, "--port", String(port)];
  if (config !== undefined) {
    const configFile = join(sandbox.folder("config"), "kilde.config.ts");
    await Bun.write(configFile, config);
    options.push("--config", configFile);
  }
  const server = await sandbox.start({
    name: "kilde-server",
    command: [...command, "serve", ...options],
    env: { KILDE_ACCESS_LOG: "false", KILDE_SECRET_KEYS: SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
    pollMs: 1,
    ready: () => request("GET", "/health"),
  });
  return { server, port, url, request };
}

/** Appends so many events to the streams of the workload, or to so many of them, in turn. */
export async function append(
  { url }: Pick<KildeServer, "url">,
  count: number,
  streams: number = work.STREAMS,
): Promise<void> {
  for (let start = 0; start < count; start += work.PAGE) {
    const appends = work
      .eventsOf(start, Math.min(work.PAGE, count - start))
      .map(({ type, data }, offset) => ({
        stream: work.streamName((start + offset) % streams),
        events: [{ type, data: JSON.parse(data) as unknown }],
      }));
    await requestJson(url, "POST", "/transactions", { appends });
  }
}

/** The position of the last event of a log. */
export async function headOf({ url }: Pick<KildeServer, "url">): Promise<number> {
  const response = await fetch(`${url}/events?limit=1`);
  await response.arrayBuffer();
  return Number(response.headers.get("kilde-head"));
}
