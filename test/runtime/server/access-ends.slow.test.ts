import { afterEach, describe, expect, test } from "bun:test";

import { createKey } from "../../../src/access/keys.ts";
import { nodeDigest } from "../../../src/access/node-digest.ts";
import { createClient } from "../../../src/client/client.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { migrate } from "../../../src/log/migrate.ts";
import { writeBatch } from "../../../src/storage/batch-writer.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { cleanUp, emptyFolder, serve, type Served } from "../../cli/support.ts";
import { jsonPost, takeEvents, TEST_SECRET_KEY, type WireEvent } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { newDatabase } from "./servers.ts";

/*
 * Two server processes on one database. One revokes a key and is killed right after it has answered; the other has the requests and
 * the deliveries of that key.
 */

cleanUp();
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** Access ends within 5 seconds; a busy machine needs some more. */
const SOON_MS = 8_000;

/** Creates the first key as the command line does: on the database. */
async function firstKey(url: string): Promise<string> {
  const database = openDatabase({ url });
  try {
    await migrate(database);
    const made = await createKey(
      {
        database,
        writer: { write: (statements) => writeBatch(database, systemClock, statements) },
        clock: systemClock,
        digest: nodeDigest,
        mostKeys: 100,
        consumerBytes: 256,
      },
      { name: "root", grants: ["admin"], consumer: null, expires: null },
    );
    if (made.outcome !== "created") throw new Error(made.outcome);
    return made.token;
  } finally {
    database.close();
  }
}

const ROUNDS = 3;

for (const kind of ["file", "sqld"]) {
  describe(`a server that is killed after it has revoked a key (${kind})`, () => {
    test("ends event streams, long-polls, walks and deliveries of the key at the other server within 5 seconds, forever", async () => {
      const { url, stop } = await newDatabase(kind);
      stops.push(stop);
      const root = await firstKey(url);
      const environment = {
        KILDE_DATABASE_URL: url,
        KILDE_ACCESS_LOG: "false",
        KILDE_SECRET_KEYS: TEST_SECRET_KEY,
        KILDE_EGRESS_ALLOW: "127.0.0.1",
      };
      const start = () => serve(emptyFolder(), [], { environment });
      const taken: number[] = [];
      const receiver = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        async fetch(request) {
          await request.json();
          taken.push(performance.now());
          return new Response(null, { status: 204 });
        },
      });
      stops.push(() => receiver.stop(true));

      const call = (server: Served, token: string, path: string, init: RequestInit = {}) =>
        fetch(server.url + path, {
          ...init,
          headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` },
        });
      const json = async <Body>(response: Response | Promise<Response>): Promise<Body> => {
        const answer = await response;
        if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
        return (await answer.json()) as Body;
      };

      const staying = await start();
      stops.push(() => staying.stop());
      const append = () =>
        json(call(staying, root, "/streams/order-1", jsonPost({ events: [{ type: "A" }] })));
      await append();
      for (let round = 0; round < ROUNDS; round += 1) {
        const killed = await start();
        const key = await json<{ key: string; token: string }>(
          call(
            killed,
            root,
            "/keys",
            jsonPost({ name: `shop-${round}`, grants: ["read:/events", "manage:/subscriptions"] }),
          ),
        );
        const { token } = key;
        await eventually(async () => (await call(staying, token, "/events?limit=1")).status === 200);
        const subscribed = await json<{ subscription: string }>(
          call(staying, token, "/subscriptions", jsonPost({ source: "/events", url: receiver.url.href })),
        );
        await append();
        const before = taken.length;
        await eventually(async () => (await append(), taken.length > before + 3));

        const headers = { accept: "text/event-stream" };
        const streamed = takeEvents(await call(staying, token, "/events", { headers }), 1_000_000);
        const head = (await json<WireEvent[]>(call(staying, root, "/events?direction=backwards&limit=1")))[0];
        const polled = call(staying, token, `/streams/none?timeout=30000`);
        const client = createClient({ url: staying.url, token });
        const walked = (async () => {
          for (;;) for await (const event of client.read()) void event;
        })();
        walked.catch(() => {});
        const statuses: number[] = [];
        let isOver = false;
        const asking = (async () => {
          while (!isOver) {
            statuses.push((await call(staying, token, "/events?limit=1")).status);
            await Bun.sleep(250);
          }
        })();
        const appending = (async () => {
          while (!isOver) {
            await append();
            await Bun.sleep(20);
          }
        })();

        expect((await call(killed, root, `/keys/${key.key}`, { method: "DELETE" })).status).toBe(200);
        process.kill(killed.pid, "SIGKILL");
        const revokedMs = performance.now();
        const events = await streamed;
        expect(Number(events.at(-1)?.id)).toBeGreaterThanOrEqual(Number(head?.id));
        expect((await polled).status).toBe(401);
        expect(await walked.catch((error: unknown) => error)).toMatchObject({ code: "unauthenticated" });
        expect(performance.now() - revokedMs).toBeLessThan(SOON_MS);
        const path = `/subscriptions/${subscribed.subscription}`;
        const shown = await eventually(async () => {
          const found = await json<{ status: string; reason: string }>(call(staying, root, path));
          return found.status === "paused" && found;
        });
        expect(shown.reason).toBe("creator may no longer read the source");
        expect(Math.max(...taken) - revokedMs).toBeLessThan(SOON_MS);
        const again = await start();
        expect((await call(again, token, "/events?limit=1")).status).toBe(401);
        await again.stop();
        isOver = true;
        await Promise.all([asking, appending]);
        const end = statuses.indexOf(401);
        expect(end).toBeGreaterThan(-1);
        // Too many failures of an address are answered with 429.
        expect(statuses.slice(end).filter((status) => status !== 401 && status !== 429)).toEqual([]);
      }
    }, 300_000);
  });
}
