import { type Client, createClient } from "../../src/client/index.ts";
import type { TestApp } from "../support/app.ts";

/** A disturbance of a request; undefined lets the request through. */
export type Fault = (path: string, init: RequestInit) => Promise<Response> | Response | undefined;

/** A client whose requests are seen, and may be disturbed. */
export interface WatchedClient {
  readonly client: Client;
  readonly requests: string[];
  /** Each disturbs one request, in order. */
  readonly faults: Fault[];
  /** Events that were read, of all streams. */
  eventsRead(): number;
}

const URL = "http://kilde.test";

export function watchedClient(app: Pick<TestApp, "fetch">): WatchedClient {
  const requests: string[] = [];
  const faults: Fault[] = [];
  let read = 0;
  const client = createClient({
    url: URL,
    async fetch(url, init) {
      const path = url.slice(URL.length);
      requests.push(`${init.method ?? "GET"} ${path}`);
      const disturbed = await faults.shift()?.(path, init);
      const response = disturbed ?? (await app.fetch(path, init));
      const isRead = init.method === undefined && response.status === 200 && path.startsWith("/streams/");
      if (isRead) read += ((await response.clone().json()) as unknown[]).length;
      return response;
    },
    sleep: () => Promise.resolve(),
    random: () => 0,
  });
  return { client, requests, faults, eventsRead: () => read };
}

/** The request arrives, but its answer does not. */
export function lostAnswer(app: Pick<TestApp, "fetch">): Fault {
  return async (path, init) => {
    await app.fetch(path, init);
    throw new TypeError("connection reset");
  };
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}
