import { expect, test } from "bun:test";
import { createClient as openLibsql } from "@libsql/client";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createClient } from "../../src/client/index.ts";
import { newDatabase, startServer } from "../runtime/server/servers.ts";

const ROUNDS = 25;
const ACCOUNTS = 20;
const MAX_RUN_MS = 250;
const PROCESS = join(import.meta.dir, "killed-consumer.ts");

/** Starts a consumer, and waits until it follows. */
async function startConsumer(url: string, file: string, until: number) {
  const child = Bun.spawn([process.execPath, PROCESS, url, file, String(until)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  await child.stdout.getReader().read();
  return child;
}

/** Number of events that the consumer has handled. */
async function handledIn(file: string): Promise<number> {
  const database = openLibsql({ url: `file:${file}`, timeout: 5_000 });
  const { rows } = await database.execute("select count(*) as count from entries");
  database.close();
  return Number(rows[0]?.["count"]);
}

test("a consumer and its server that are killed at any moment leave each effect once", async () => {
  const server = await newDatabase("file");
  const folder = mkdtempSync(join(tmpdir(), "kilde-slow-"));
  const file = join(folder, "consumer.db");
  let running = await startServer(server.url);
  const expected = new Map<string, { balance: number; events: number }>();
  let head = 0;
  let kills = 0;
  let cutShort = 0;
  const append = async (count: number) => {
    const kilde = createClient({ url: running.url });
    const appends = Array.from({ length: count }, () => {
      const stream = `account-${Math.floor(Math.random() * ACCOUNTS)}`;
      const amount = Math.floor(Math.random() * 100);
      const { balance, events } = expected.get(stream) ?? { balance: 0, events: 0 };
      expected.set(stream, { balance: balance + amount, events: events + 1 });
      return { stream, events: [{ type: "Paid", data: { amount } }] };
    });
    await kilde.transact(appends);
    head += count;
  };
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await append(150);
      const consumer = await startConsumer(running.url, file, Number.MAX_SAFE_INTEGER);
      await Bun.sleep(Math.random() * MAX_RUN_MS);
      if (round % 4 === 3) {
        await running.stop("SIGKILL");
        await Bun.sleep(Math.random() * 50);
      }
      consumer.kill("SIGKILL");
      await consumer.exited;
      kills += 1;
      if ((await handledIn(file)) < head) cutShort += 1;
      if (round % 4 === 3) running = await startServer(server.url);
    }
    // Or it was never killed in the middle of its work, or always before it had begun.
    expect(cutShort).toBeGreaterThan(0);
    expect(await handledIn(file)).toBeGreaterThan(0);
    const last = await startConsumer(running.url, file, head);
    expect(await last.exited).toBe(0);
    expect(kills).toBe(ROUNDS);

    const database = openLibsql({ url: `file:${file}` });
    const accounts = await database.execute("select name, balance, events from accounts order by name");
    expect(accounts.rows.map(({ name, balance, events }) => [name, { balance, events }])).toEqual(
      [...expected].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
    const entries = await database.execute(
      "select account, count(*) as count, count(distinct version) as versions, max(version) as last from entries group by account",
    );
    expect(entries.rows).toHaveLength(expected.size);
    for (const { account, count, versions, last: most } of entries.rows) {
      const events = expected.get(account as string)?.events ?? 0;
      expect([count, versions, most]).toEqual([events, events, events]);
    }
    database.close();
  } finally {
    await running.stop("SIGKILL");
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
