import { afterEach } from "bun:test";

import type { Served } from "../cli/support.ts";
import { jsonPost, TEST_SECRET_KEY, type WireEvent } from "../support/app.ts";

export const environment = { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" };

/** A receiver that answers each event with a status. It accepts all events again, and forgets them, after each test. */
export function receiverForEachTest() {
  const taken: WireEvent[] = [];
  const made = {
    statusOf: (() => 204) as (event: WireEvent) => number,
    /** The acknowledged events. */
    taken,
    url: "",
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const event = (await request.json()) as WireEvent;
      const status = made.statusOf(event);
      if (status === 204) taken.push(event);
      return new Response(null, { status });
    },
  });
  made.url = server.url.href;
  afterEach(() => {
    made.statusOf = () => 204;
    taken.length = 0;
  });
  return made;
}

export async function call<Body>(server: Served, path: string, init: RequestInit = {}): Promise<Body> {
  const response = await fetch(server.url + path, init);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (response.status === 204 ? null : await response.json().catch(() => null)) as Body;
}

export const append = (server: Served, stream: string) =>
  call(server, `/streams/${stream}`, jsonPost({ events: [{ type: "A" }] }));

/** Subscribes a receiver from the beginning of a log, and returns the path of the subscription. */
export async function subscribe(server: Served, url: string, source = "/events"): Promise<string> {
  const body = { source, url, start: "beginning" };
  const { subscription } = await call<{ subscription: string }>(server, "/subscriptions", jsonPost(body));
  return `/subscriptions/${subscription}`;
}

/** Subject, type and data of the entries of a server. */
export const entries = async (server: Served, query = "") =>
  (await call<WireEvent[]>(server, `/operations${query}`)).map(
    ({ subject, type, data }) => [subject, type, data] as const,
  );
