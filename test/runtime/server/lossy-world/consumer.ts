import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { eq, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

import {
  type ConsumerEvent,
  createConsumer,
  eventLog,
  feed,
  type FeedReference,
  libsqlStore,
} from "../../../../src/consumer/index.ts";
import { receive, WebhookError } from "../../../../src/webhooks/receive/index.ts";
import type { ConsumerLine, ConsumerOptions } from "./programs.ts";
import type { LogName } from "./published.ts";

/* A consumer to be killed. It keeps a row for each event that it handles, in the order in which it does. */

const entries = sqliteTable("entries", {
  number: integer().primaryKey(),
  log: text().notNull(),
  subject: text().notNull(),
  version: integer().notNull(),
  /** Position in the event log of what the event was made of. */
  source: integer().notNull(),
  type: text().notNull(),
  data: text().notNull(),
});

/** Finds what a webhook's own schedule would bring only later. */
const RECONSTITUTE_EVERY_MS = 4_000;
const HYDRATE_EVERY_MS = 1_000;

const options = JSON.parse(process.argv[2] ?? "") as ConsumerOptions;
const { name, url, kind, log, migrateFrom, file, secret } = options;

function print(line: ConsumerLine): void {
  console.log(JSON.stringify(line));
}

const client = createClient({ url: `file:${file}`, timeout: 5_000 });
await client.execute("pragma journal_mode = wal");
const database = drizzle(client);
await database.run(sql`create table if not exists entries (number integer primary key, log text, subject text,
  version integer, source integer, type text, data text)`);
const store = libsqlStore(database);
type Tx = Parameters<Parameters<typeof store.transact>[0]>[0];

function referenceTo(of: LogName): FeedReference {
  return of === "events" ? eventLog() : feed(of);
}

function handlerOf(of: LogName) {
  return async ({ subject, version, position, projectedFrom, type, data }: ConsumerEvent, tx: Tx) => {
    const source = projectedFrom ?? position;
    const row = { log: of, subject, version, source, type, data: JSON.stringify(data) };
    await tx.insert(entries).values(row);
  };
}

async function reset(subject: string, tx: Tx): Promise<void> {
  await tx.delete(entries).where(eq(entries.subject, subject));
}

const onError = (error: unknown) => console.error(new Date().toISOString(), String(error));

const consumer = createConsumer({
  url,
  feed: referenceTo(log),
  name,
  store,
  transport: kind === "sse" || kind === "poll" ? kind : "push",
  ...(kind === "webhook" ? { reconstituteEveryMs: RECONSTITUTE_EVERY_MS } : {}),
  handle: handlerOf(log),
  reset,
  ...(migrateFrom === null
    ? {}
    : { migrateFrom: { feed: referenceTo(migrateFrom), handle: handlerOf(migrateFrom), reset } }),
  onError,
});

let isStopped = false;
const stopping = Promise.withResolvers<void>();
process.on("SIGTERM", () => {
  isStopped = true;
  stopping.resolve();
});

/** Asks for some subjects that it has, and finds all others by reconstitution. */
async function hydrate(): Promise<void> {
  while (!isStopped) {
    try {
      const some = await database.all<{ subject: string }>(
        sql`select subject from entries group by subject order by random() limit 2`,
      );
      for (const { subject } of some) await consumer.ensure(subject, { asOf: "now" });
      await consumer.reconstitute();
    } catch (error) {
      onError(error);
    }
    await Promise.race([Bun.sleep(HYDRATE_EVERY_MS), stopping.promise]);
  }
}

async function migrate(): Promise<void> {
  while (!isStopped && consumer.migration !== null) {
    try {
      const { switched, failed } = await consumer.migration.switchAll();
      for (const { subject, message } of failed) console.error("not switched:", subject, message);
      if (failed.length === 0 && (await consumer.migration.check()).unswitched.length === 0) {
        print({ kind: "migrated", switched });
        return;
      }
    } catch (error) {
      onError(error);
    }
    await Bun.sleep(500);
  }
}

let received = 0;
const path = log === "events" ? "/events" : `/feeds/${log}`;

/** Takes deliveries of the log that is consumed; those of the version that was left are acknowledged. */
async function takeDelivery(request: Request): Promise<Response> {
  try {
    const delivery = await receive(request, secret ?? "");
    if (delivery.kind !== "events" || delivery.source !== path) return new Response(null, { status: 204 });
    await consumer.receive(delivery.events);
    received += delivery.events.length;
    return new Response(null, { status: 204 });
  } catch (error) {
    if (error instanceof WebhookError) return error.response();
    onError(error);
    return new Response(null, { status: 500 });
  }
}

const hook = kind === "webhook" ? Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: takeDelivery }) : null;
if (kind !== "hydrate") consumer.start();
const work = kind === "hydrate" ? hydrate() : migrate();
print({ kind: "started", url: hook === null ? null : hook.url.origin });
await stopping.promise;
await work;
await consumer.stop();
await hook?.stop();
client.close();
print({ kind: "stopped", received });
process.exit(0);
