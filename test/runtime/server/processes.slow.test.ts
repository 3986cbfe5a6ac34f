import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createClient, KildeError } from "../../../src/client/index.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { startServer } from "../../support/process.ts";
import { hasSqld, startSqld } from "../../support/sqld.ts";

const APPENDERS = 8;
const APPENDS = 150;

const databases = [
  {
    name: "a file",
    skip: false,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), "kilde-processes-"));
      return {
        url: `file:${join(folder, "kilde.db")}`,
        stop: async () => rmSync(folder, { recursive: true, force: true }),
      };
    },
  },
  { name: "a libSQL server", skip: !hasSqld, open: startSqld },
];

for (const { name, skip, open } of databases) {
  describe.skipIf(skip)(`two processes on ${name}`, () => {
    test("append at once, and followers of each see all of it in order", async () => {
      const database = await open();
      const servers = await Promise.all([startServer(database.url), startServer(database.url)]);
      const clients = servers.map(({ url }) => createClient({ url }));
      const total = 2 * APPENDERS * APPENDS;
      try {
        const followed = clients.map(async (client) => {
          const ids: number[] = [];
          for await (const { position } of client.follow()) if (ids.push(position) === total) break;
          return ids;
        });
        await Promise.all(
          clients.flatMap((client, process) =>
            Array.from({ length: APPENDERS }, async (_, appender) => {
              for (let n = 0; n < APPENDS; n += 1) {
                // Some streams are one process's own, and one is everybody's.
                const stream = n % 3 === 0 ? "shared" : `p${process}-${(appender + n) % 10}`;
                await client.append(stream, { type: "T", data: `${process}:${appender}:${n}` });
              }
            }),
          ),
        );
        const expected = Array.from({ length: total }, (_, n) => n + 1);
        for (const ids of await Promise.all(followed)) expect(ids).toEqual(expected);

        const seen = new Set<unknown>();
        for await (const { data } of createClient({ url: servers[0].url }).read()) seen.add(data);
        expect(seen.size).toBe(total);
        const opened = openDatabase({ url: database.url });
        expect(await examine(opened)).toEqual([]);
        opened.close();
      } finally {
        for (const server of servers) await server.kill("SIGTERM");
        await database.stop();
      }
    }, 120_000);

    test("append with the same expected version, and one of them wins", async () => {
      const database = await open();
      const servers = await Promise.all([startServer(database.url), startServer(database.url)]);
      try {
        for (let version = 0; version < 30; version += 1) {
          const outcomes = await Promise.all(
            servers.map(({ url }) =>
              createClient({ url })
                .append("s", { type: "T" }, { expectedVersion: version })
                .then(
                  () => "won",
                  (error: unknown) => (error instanceof KildeError ? error.code : String(error)),
                ),
            ),
          );
          expect(outcomes.toSorted()).toEqual(["version-conflict", "won"]);
        }
      } finally {
        for (const server of servers) await server.kill("SIGTERM");
        await database.stop();
      }
    }, 60_000);
  });
}
