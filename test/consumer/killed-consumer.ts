import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { eq, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

import { createConsumer, eventLog, libsqlStore } from "../../src/consumer/index.ts";

/*
 * A consumer to be killed: adds amounts to balances, and keeps a row for each event. Arguments: the server's URL, the
 * database, and the position to stop at.
 */

const accounts = sqliteTable("accounts", {
  name: text().primaryKey(),
  balance: integer().notNull(),
  events: integer().notNull(),
});
const entries = sqliteTable("entries", {
  number: integer().primaryKey(),
  account: text().notNull(),
  version: integer().notNull(),
});

const [url = "", file = "", until = ""] = process.argv.slice(2);
const client = createClient({ url: `file:${file}`, timeout: 5_000 });
const database = drizzle(client);
await database.run(
  sql`create table if not exists accounts (name text primary key, balance integer, events integer)`,
);
await database.run(
  sql`create table if not exists entries (number integer primary key, account text, version integer)`,
);

const consumer = createConsumer({
  url,
  feed: eventLog<{ Paid: { amount: number } }>(),
  name: "killed",
  store: libsqlStore(database),
  batchEvents: 20,
  async handle(event, tx) {
    if (event.type !== "Paid") return;
    const { subject: name, version, data } = event;
    await tx.insert(accounts).values({ name, balance: 0, events: 0 }).onConflictDoNothing();
    await tx.insert(entries).values({ account: name, version });
    // An event may arrive in between.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const [account] = await tx.select().from(accounts).where(eq(accounts.name, name));
    const { balance = 0, events = 0 } = account ?? {};
    await tx
      .update(accounts)
      .set({ balance: balance + data.amount, events: events + 1 })
      .where(eq(accounts.name, name));
  },
});
consumer.start();
console.log("started");
while ((consumer.status().position ?? 0) < Number(until)) await Bun.sleep(5);
await consumer.stop();
client.close();
process.exit(0);
