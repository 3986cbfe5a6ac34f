import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Client, createClient, KildeUnreachableError } from "../../src/client/index.ts";
import { examine } from "../../src/log/doctor.ts";
import { openDatabase } from "../../src/log/open.ts";
import { startServer } from "../support/process.ts";

const KILLS = 50;
const CONNECTIONS = 16;

interface Sent {
  readonly acknowledged: Set<string>;
  readonly unanswered: Set<string>;
}

/** Appends one event after the other, until the server is gone. Half of them go through transactions. */
async function appendUntilGone(client: Client, name: string, sent: Sent): Promise<void> {
  for (let n = 0; ; n += 1) {
    const id = `${name}:${n}`;
    const event = { type: "T", data: { id, filler: "x".repeat(n % 300) } };
    try {
      if (n % 2 === 0) {
        await client.append(`s-${n % 50}`, event, { idempotencyKey: null });
      } else {
        const stream = `s-${(n * 7) % 50}`;
        await client.transact(
          [
            { stream, events: [event] },
            { stream: `t-${n % 5}`, events: [{ type: "U", data: { id: `${id}+` } }] },
          ],
          { idempotencyKey: null },
        );
        sent.acknowledged.add(`${id}+`);
      }
      sent.acknowledged.add(id);
    } catch (error) {
      if (!(error instanceof KildeUnreachableError)) throw error;
      sent.unanswered.add(id).add(`${id}+`);
      return;
    }
  }
}

test(`after each of ${KILLS} kills, what was acknowledged is there once, and the file is sound`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-kill-"));
  const url = `file:${join(folder, "kilde.db")}`;
  const sent: Sent = { acknowledged: new Set(), unanswered: new Set() };
  const seen = new Set<string>();
  let checked = 0;
  try {
    for (let round = 0; round < KILLS; round += 1) {
      const server = await startServer(url);
      const client = createClient({ url: server.url, retry: { attempts: 1 } });
      const appending = Array.from({ length: CONNECTIONS }, (_, n) =>
        appendUntilGone(client, `${round}:${n}`, sent),
      );
      await Bun.sleep(30 + ((round * 37) % 170));
      await server.kill("SIGKILL");
      await Promise.all(appending);

      const database = openDatabase({ url });
      expect(await examine(database)).toEqual([]);
      const rows = await database.read({
        sql: "select data ->> 'id' from events where key > ? order by key",
        args: [checked],
      });
      checked += rows.length;
      for (const [id] of rows) {
        // Not acknowledged is not refused: it may be there, but not twice.
        expect(seen.has(String(id))).toBe(false);
        seen.add(String(id));
      }
      for (const id of sent.acknowledged) expect(seen.has(id)).toBe(true);
      for (const id of seen) expect(sent.acknowledged.has(id) || sent.unanswered.has(id)).toBe(true);
      for (const id of sent.unanswered) {
        if (!id.endsWith("+") && seen.has(`${id}+`)) expect(seen.has(id)).toBe(true);
      }
      database.close();
    }
    expect(seen.size).toBeGreaterThan(KILLS * CONNECTIONS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
