import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Hono } from "hono";
import { type ConsumerEvent, createConsumer, feed, libsqlStore } from "kilde/consumer";
import { receive } from "kilde/webhook";

import { usersV1, usersV2 } from "./users.ts";

/* What the cards service and the notifications service have in common: users, as their own databases have them. */

const users = sqliteTable("users", { id: text().primaryKey(), name: text().notNull() });
/** Each thing that was done, once: `source` is the position of the internal event that it was done for. */
const effects = sqliteTable("effects", {
  number: integer().primaryKey(),
  user: text().notNull(),
  source: integer().notNull(),
  version: text().notNull(),
});

export interface ServiceOptions {
  readonly name: string;
  /** How it receives events; `push`: by `POST /hook`. */
  readonly transport: "sse" | "push";
  readonly url: string;
  readonly file: string;
  /** The version of the feed it was written for; `v1 to v2`: it is on its way. */
  readonly versions: "v1" | "v1 to v2" | "v2";
  readonly secret: string;
  /** It knows nothing but what it is asked for. */
  readonly isIdle: boolean;
}

export async function runService(options: ServiceOptions): Promise<void> {
  const { name, transport, url, file, versions, secret, isIdle } = options;
  const database = drizzle(createClient({ url: `file:${file}`, timeout: 5_000 }));
  await database.run(sql`create table if not exists users (id text primary key, name text not null)`);
  await database.run(
    sql`create table if not exists effects (number integer primary key, user text, source integer, version text)`,
  );
  const store = libsqlStore(database);
  type Tx = Parameters<Parameters<typeof database.transaction>[0]>[0];
  const keep = async (tx: Tx, id: string, full: string, source: number, version: string) => {
    await tx
      .insert(users)
      .values({ id, name: full })
      .onConflictDoUpdate({ target: users.id, set: { name: full } });
    await tx.insert(effects).values({ user: id, source, version });
  };
  const handleV1 = async (event: ConsumerEvent<{ UserNamed: { name: string } }>, tx: Tx) => {
    if (event.type === "UserNamed")
      await keep(tx, event.subject, event.data.name, event.projectedFrom ?? 0, "v1");
  };
  const handleV2 = async (event: ConsumerEvent<{ UserNamed: { given: string; family: string } }>, tx: Tx) => {
    if (event.type !== "UserNamed") return;
    const { given, family } = event.data;
    await keep(tx, event.subject, `${given} ${family}`, event.projectedFrom ?? 0, "v2");
  };
  const common = { url, name, store, commitIntervalMs: 100 } as const;
  const [v1, v2] = [feed(usersV1), feed(usersV2)];
  const consumers = {
    v1: () => createConsumer({ ...common, transport, feed: v1, handle: handleV1 }),
    "v1 to v2": () =>
      createConsumer({
        ...common,
        feed: v2,
        handle: handleV2,
        migrateFrom: { feed: v1, handle: handleV1 },
      }),
    v2: () => createConsumer({ ...common, feed: v2, handle: handleV2 }),
  };
  const consumer = consumers[versions]();
  if (!isIdle) consumer.start();

  const app = new Hono();
  app.post("/hook", async (c) => {
    const delivery = await receive(c.req.raw, secret);
    if (delivery.kind === "events") await consumer.receive(delivery.events);
    return c.body(null, 204);
  });
  app.get("/users", async (c) => c.json(await database.select().from(users).orderBy(users.id)));
  app.get("/effects", async (c) => c.json(await database.select().from(effects).orderBy(effects.source)));
  app.get("/users/:id", async (c) => {
    // Somebody this service has never heard of: it asks, now.
    await consumer.ensure(c.req.param("id"));
    const found = await database
      .select()
      .from(users)
      .where(sql`id = ${c.req.param("id")}`);
    return found[0] === undefined ? c.notFound() : c.json(found[0]);
  });
  app.post("/reconstitute", async (c) => c.json(await consumer.reconstitute({ all: true })));
  app.post("/switch", async (c) => {
    const switched = await consumer.migration?.switchAll();
    return c.json({ switched, check: await consumer.migration?.check() });
  });
  const server = Bun.serve({ port: 0, fetch: app.fetch });
  console.log(server.url.href);
  process.once("SIGTERM", () => void consumer.stop().then(() => process.exit(0)));
}

/** Options as `story.ts` passes them. */
export function serviceArguments(name: string, transport: ServiceOptions["transport"]): ServiceOptions {
  const [url = "", file = "", versions = "v1", secret = "", idle = ""] = process.argv.slice(2);
  return {
    name,
    transport,
    url,
    file,
    versions: versions as ServiceOptions["versions"],
    secret,
    isIdle: idle === "idle",
  };
}
