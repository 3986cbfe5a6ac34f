import { afterEach, beforeEach, expect } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { jsonPost, openApp, type Problem, type TestApp, type TestAppOptions } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { TESTED_ON } from "../../support/tested-on.ts";

export interface Shown {
  readonly subscription: string;
  readonly source: string;
  readonly url: string;
  readonly cursor: number;
  readonly status: string;
  readonly secret?: string | null;
  readonly publicKey?: string | null;
  readonly [member: string]: unknown;
}

export const HOOK = "https://hooks.example.org/kilde";
export const FEED = sketch({ name: "orders" });

export let database: Database;
export let app: TestApp;
export let changed: string[];
let nowMs: number;

export const clock: Clock = { ...systemClock, now: () => nowMs };

async function open(options: TestAppOptions = {}): Promise<TestApp> {
  database = await newDatabase();
  changed = [];
  const feeds = TESTED_ON === "worker" ? {} : { feeds: [FEED] };
  return openApp({ database, clock, ...feeds, onChange: (id) => changed.push(id), ...options });
}

const servers: Bun.Server<undefined>[] = [];

export function startReceiver(answer: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  servers.push(server);
  return `http://127.0.0.1:${server.port}/hook`;
}

/** Opens an app with four events for each test of the file. */
export function openAppForEach(): void {
  beforeEach(async () => {
    nowMs = Date.parse("2026-02-01T12:00:00Z");
    app = await open();
    for (let n = 1; n <= 4; n += 1) {
      await app.append(`user-${n % 2}`, { type: n < 3 ? "A" : "B", data: n });
      nowMs += 1_000;
    }
  });
  afterEach(async () => {
    expect(app.faults).toEqual([]);
    await app.close();
    await Promise.all(servers.splice(0).map((server) => server.stop(true)));
  });
}

/** Closes the app of the test, and opens another on a new database. */
export async function reopen(options: TestAppOptions): Promise<void> {
  await app.close();
  app = await open(options);
}

export const nowOfClock = () => nowMs;

export function advance(ms: number): void {
  nowMs += ms;
}

export const post = (path: string, body?: unknown) =>
  app.fetch(path, body === undefined ? { method: "POST" } : jsonPost(body));
export const patch = (id: string, body: unknown) =>
  app.fetch(`/subscriptions/${id}`, { ...jsonPost(body), method: "PATCH" });

export async function create(body: object = {}): Promise<Shown> {
  const response = await post("/subscriptions", { source: "/events", url: HOOK, ...body });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Shown;
}

export const shown = (id: string) => app.get<Shown>(`/subscriptions/${id}`);

export async function problemOf(response: Response | Promise<Response>): Promise<Problem> {
  const answer = await response;
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  return (await answer.json()) as Problem;
}

export const refused = (body: object) =>
  problemOf(post("/subscriptions", { source: "/events", url: HOOK, ...body }));

/** Writes a row that only the dispatcher writes: a subject that is blocked at a version. */
export async function block(id: string, subject: string, version: number, source = "/events"): Promise<void> {
  await database.write([
    {
      sql: `insert into subscription_subjects (subscription, subject, next, attempts, due, error, since)
        select ?1, subject.id, ?3, 2, 1900000000000, 'status 422', '2026-02-01T12:00:00.000Z'
        from subjects as subject
        where subject.name = ?2 and subject.log = (select id from logs where name = ?4)`,
      args: [id, subject, version, source],
    },
  ]);
}
