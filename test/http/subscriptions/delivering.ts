import { afterEach, expect } from "bun:test";
import { HTTP, type CloudEventV1 } from "cloudevents";
import { Webhook } from "standardwebhooks";

import { cleanUp, emptyFolder, serve, type Served } from "../../cli/support.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../support/app.ts";

/*
 * The server as it runs, delivering to receivers that know nothing of Kilde: verified and read with the public
 * libraries of Standard Webhooks and CloudEvents.
 */

const environment = { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" };

export interface Taken {
  readonly webhookId: string;
  readonly at: number;
  readonly events: readonly CloudEventV1<unknown>[];
  readonly isBatch: boolean;
  readonly status: number;
  readonly signatures: string;
  /** When it was signed, in seconds since 1970. */
  readonly signedAt: number;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Secrets that it verifies with: each of them has to fit. */
  secrets: string[];
  readonly requests: Taken[];
  readonly faults: unknown[];
  /** Returns the answer of the receiver. */
  answer: (events: readonly CloudEventV1<unknown>[], request: Request) => Response | Promise<Response>;
  /** Events it took, in order. */
  taken(): string[];
  stop(): Promise<void>;
}

const receivers: Receiver[] = [];

/** Has the tests of the file stop their receivers, which must have had no fault, and their servers. */
export function cleanUpDeliveries(): void {
  cleanUp();
  afterEach(async () => {
    const stopped = receivers.splice(0);
    await Promise.all(stopped.map((receiver) => receiver.stop()));
    expect(stopped.flatMap(({ faults }) => faults)).toEqual([]);
  });
}

export const isBatchOf = ({ headers }: Request) =>
  headers.get("content-type")?.startsWith("application/cloudevents-batch+json") === true;

export const nameOf = (event: CloudEventV1<unknown>) => `${event.subject}@${Number(event["sequence"])}`;

export function startReceiver(port = 0): Receiver {
  const requests: Taken[] = [];
  const faults: unknown[] = [];
  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      // A port is used again: a client of another test's server may still send to it.
      if (!request.headers.has("webhook-id")) return new Response(null, { status: 404 });
      try {
        const body = await request.text();
        const headers = Object.fromEntries(request.headers);
        for (const secret of made.secrets) new Webhook(secret).verify(body, headers);
        const parsed = HTTP.toEvent<unknown>({ headers, body });
        const events = Array.isArray(parsed) ? parsed : [parsed];
        const answer = await made.answer(events, request);
        requests.push({
          webhookId: headers["webhook-id"] ?? "",
          at: performance.now(),
          events,
          isBatch: isBatchOf(request),
          status: answer.status,
          signatures: headers["webhook-signature"] ?? "",
          signedAt: Number(headers["webhook-timestamp"]),
        });
        return answer;
      } catch (error) {
        faults.push(error);
        return new Response(null, { status: 500 });
      }
    },
  });
  const made: Receiver = {
    url: `http://127.0.0.1:${server.port}/hook`,
    port: server.port ?? 0,
    secrets: [],
    requests,
    faults,
    answer: () => new Response(null, { status: 204 }),
    taken: () =>
      requests.flatMap(({ events, status }) => (status >= 200 && status < 300 ? events.map(nameOf) : [])),
    stop: () => server.stop(true),
  };
  receivers.push(made);
  return made;
}

interface Shown {
  readonly subscription: string;
  readonly secret: string;
  readonly status: string;
  readonly reason: string | null;
  readonly cursor: number;
  readonly lag: { readonly events: number };
  readonly blocked: number;
}

export async function call<Body = Shown>(
  server: Served,
  path: string,
  init: RequestInit = {},
): Promise<Body> {
  const response = await fetch(server.url + path, init);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (response.status === 204 ? null : await response.json().catch(() => null)) as Body;
}

export const post = <Body = Shown>(server: Served, path: string, body: unknown = {}) =>
  call<Body>(server, path, jsonPost(body));

/** Subscribes a receiver, from the beginning. */
export async function subscribe(server: Served, to: Receiver, body: object = {}) {
  const made = await post(server, "/subscriptions", {
    source: "/events",
    url: to.url,
    start: "beginning",
    ...body,
  });
  to.secrets = [made.secret];
  const path = `/subscriptions/${made.subscription}`;
  return { ...made, path, now: () => call(server, path) };
}

export async function append(server: Served, stream: string, count = 1, type = "A"): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({ type, data: { n } }));
  await post(server, `/streams/${encodeURIComponent(stream)}`, { events });
}

export const startServer = (cwd = emptyFolder(), args: readonly string[] = []) =>
  serve(cwd, args, { environment });

const FEED = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

export default defineConfig({
  feeds: [
    defineFeed({
      name: "counts",
      version: 1,
      events: { A: z.object({ n: z.number() }) },
      contract: { Counted: z.object({ count: z.number() }) },
      publish: { A: ({ data }) => ({ type: "Counted", data: { count: data.n + 1 } }) },
    }),
  ],
});
`;

export async function startWithFeed(): Promise<Served> {
  const cwd = emptyFolder();
  await Bun.write(`${cwd}/kilde.config.ts`, FEED);
  return startServer(cwd);
}

export const ofSubject = (names: readonly string[], subject: string) =>
  names.filter((name) => name.startsWith(`${subject}@`));
