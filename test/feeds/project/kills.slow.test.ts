import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { serve } from "../../cli/support.ts";
import { hasSqld } from "../../support/sqld.ts";
import { appendBatch, CONFIG, expectSums, NEWER_CONFIG } from "./killed-projections.ts";
import { examineAt, newDatabase } from "../../runtime/server/servers.ts";

const ROUNDS = 12;
const BATCHES = 5;
const BATCH = 500;
const RELEASE_ROUNDS = 8;
const TIMEOUT_MS = 300_000;

/** Starts servers with feeds on a new database. */
async function onDatabase(
  kind: "file" | "sqld",
  use: (
    start: (release?: "older" | "newer") => ReturnType<typeof serve>,
    databaseUrl: string,
  ) => Promise<void>,
): Promise<void> {
  const cwd = mkdtempSync(join(tmpdir(), "kilde-slow-"));
  writeFileSync(join(cwd, "kilde.config.ts"), CONFIG);
  const newer = join(cwd, "newer");
  mkdirSync(newer);
  writeFileSync(join(newer, "kilde.config.ts"), NEWER_CONFIG);
  const { url, stop } = await newDatabase(kind);
  try {
    const environment = { KILDE_DATABASE_URL: url };
    await use((release = "older") => serve(release === "older" ? cwd : newer, [], { environment }), url);
    expect(await examineAt(url)).toEqual([]);
  } finally {
    await stop();
    rmSync(cwd, { recursive: true, force: true });
  }
}

test(
  "kill -9 while feeds are built and projected repeats and skips nothing",
  async () => {
    await onDatabase("file", async (start) => {
      let halfway = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const server = await start();
        for (let batch = 0; batch < BATCHES; batch += 1)
          expect(await appendBatch(server.url, round * BATCHES + batch, BATCH)).toBe(true);
        const subject = await fetch(`${server.url}/feeds/copies/v1/subjects/s-${round}`);
        expect([200, 404]).toContain(subject.status);
        const status = await fetch(`${server.url}/feeds/copies/v1/status`);
        const { lag } = (await status.json()) as { lag: { events: number } };
        if (lag.events > 0) halfway += 1;
        await Bun.sleep(Math.random() * 60);
        await server.stop("SIGKILL");
      }
      // Otherwise nothing was under way when it was killed.
      expect(halfway).toBeGreaterThan(0);
      const server = await start();
      expect(await expectSums(server.url)).toBe(ROUNDS * BATCHES * BATCH);
      expect((await server.stop()).exitCode).toBe(0);
    });
  },
  TIMEOUT_MS,
);

test(
  "two releases on one database publish each event once, whichever of them is killed and started again",
  async () => {
    await onDatabase("file", async (start) => {
      const servers = { older: await start("older"), newer: await start("newer") };
      let batches = 0;
      for (let round = 0; round < RELEASE_ROUNDS; round += 1) {
        // Both releases are alive in between; the lease goes from one to the other.
        const victim = round % 2 === 0 ? "newer" : "older";
        const other = victim === "newer" ? "older" : "newer";
        for (const name of [victim, other] as const) {
          expect(await appendBatch(servers[name].url, batches, BATCH)).toBe(true);
          batches += 1;
        }
        const read = fetch(`${servers[other].url}/feeds/sums/v1/subjects/s-${round}`);
        await Bun.sleep(Math.random() * 60);
        await servers[victim].stop("SIGKILL");
        expect([200, 404]).toContain((await read).status);
        expect(await appendBatch(servers[other].url, batches, BATCH)).toBe(true);
        batches += 1;
        servers[victim] = await start(victim);
      }
      expect(await expectSums(servers.older.url)).toBe(batches * BATCH);
      expect(await expectSums(servers.newer.url)).toBe(batches * BATCH);
      for (const server of Object.values(servers)) expect((await server.stop()).exitCode).toBe(0);
    });
  },
  TIMEOUT_MS,
);

for (const kind of ["file", "sqld"] as const) {
  describe.skipIf(kind === "sqld" && !hasSqld)(`two servers on one database, a ${kind}`, () => {
    test(
      "project each event once, and one takes over from the other that is killed",
      async () => {
        await onDatabase(kind, async (start) => {
          const [one, two] = await Promise.all([start(), start()]);
          let dead = false;
          const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
          const appending = [one, two].map(async ({ url }, server) => {
            for (let batch = 0; batch < 20; batch += 1) {
              if (server === 0 && dead) return;
              const appended = await appendBatch(url, batch * 2 + server, 100);
              if (server === 0 && appended) begin();
              await fetch(`${url}/feeds/copies/v1/subjects/s-${batch}`).catch(() => null);
            }
          });
          await Promise.all([begun, Bun.sleep(400)]);
          dead = true;
          await one.stop("SIGKILL");
          await Promise.all(appending);
          expect(await expectSums(two.url)).toBeGreaterThan(2_000);
          const three = await start();
          await appendBatch(two.url, 1, 100);
          await appendBatch(three.url, 2, 100);
          await expectSums(three.url);
          expect((await two.stop()).exitCode).toBe(0);
          expect((await three.stop()).exitCode).toBe(0);
        });
      },
      TIMEOUT_MS,
    );
  });
}
