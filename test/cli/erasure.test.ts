import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { eventually } from "../support/eventually.ts";
import { jsonPost } from "../support/app.ts";
import { filesWith } from "../support/byte-search.ts";
import { cleanUp, emptyFolder, run, serve } from "./support.ts";

cleanUp();

/** Feeds with and without a state: their logs lie behind the event log in the same table. */
const CONFIG = `
  import { defineConfig, defineFeed } from "kilde";
  import { z } from "zod";
  const events = { Noted: z.object({ text: z.string() }) };
  const contract = { Heard: z.object({ text: z.string() }) };
  const publish = { Noted: ({ data }) => ({ type: "Heard", data }) };
  export default defineConfig({ accessLog: false, feeds: [
    defineFeed({ name: "plain", version: 1, events, contract, publish }),
    defineFeed({ name: "remembering", version: 1, events, contract, publish,
      state: { initial: { all: [] }, evolve: { Noted: ({ all }, { data }) => ({ all: [...all, data.text].slice(-9) }) } } }),
  ] });`;

/** Shorter than a database page, and longer than several. */
const SIZES = [10, 300, 3_000, 20_000];

async function post(url: string, stream: string, ...texts: string[]): Promise<void> {
  const events = texts.map((text) => ({
    type: "Noted",
    data: { text },
    metadata: { note: text.slice(0, 60) },
  }));
  const response = await fetch(`${url}/streams/${encodeURIComponent(stream)}`, jsonPost({ events }));
  expect(response.status).toBe(201);
}

test("erased data soon is in no file, nor are its snapshots and the feeds' events of it", async () => {
  const cwd = emptyFolder();
  writeFileSync(join(cwd, "kilde.config.ts"), CONFIG);
  const server = await serve(cwd, ["--database-url", "file:kilde.db"]);
  const mark = `mark-${crypto.randomUUID()}`;
  const marked = (size: number) => mark.repeat(1 + Math.floor(size / mark.length));
  for (let n = 0; n < 40; n += 1) {
    for (const size of SIZES) await post(server.url, "ida", marked(size));
    await post(server.url, `other-${n}`, ...Array.from({ length: 5 }, () => "x".repeat(100 + 37 * n)));
    const snapshot = { type: "SnapshotTaken", data: { version: 4 * n, state: { mark } } };
    const stream = encodeURIComponent("snapshots/note/v1/ida");
    await fetch(`${server.url}/streams/${stream}`, jsonPost({ events: [snapshot] }));
  }
  const published = async (feed: string) =>
    Number((await fetch(`${server.url}/feeds/${feed}/v1`)).headers.get("kilde-head"));
  await eventually(async () => (await published("plain")) >= 360 && (await published("remembering")) >= 360);
  expect(filesWith(cwd, [mark]).length).toBeGreaterThan(0);

  await fetch(`${server.url}/streams/ida?reason=asked`, { method: "DELETE" });
  await eventually(() => filesWith(cwd, [mark]).length === 0, { withinMs: 60_000, pollMs: 100 });
  for (const path of [
    "/events?limit=1000",
    "/feeds/plain/v1?limit=1000",
    "/feeds/remembering/v1?limit=1000",
  ]) {
    const text = await (await fetch(server.url + path)).text();
    expect(text).toContain("kilde.erased");
    expect(text).not.toContain(mark);
  }
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain("kilde_erasures_pending 0");
  expect((await server.stop()).exitCode).toBe(0);
  expect(filesWith(cwd, [mark])).toEqual([]);
}, 90_000);

test("copies of erased data that an older version left are reported by doctor, and removed by its repair", async () => {
  const cwd = emptyFolder();
  const database = ["--database-url", "file:kilde.db"];
  const server = await serve(cwd, database);
  await post(server.url, "ida", "secret");
  await fetch(`${server.url}/streams/ida?reason=asked`, { method: "DELETE" });
  await server.stop();
  const mark = `mark-${crypto.randomUUID()}`;
  const older = new Database(join(cwd, "kilde.db"));
  older.run("pragma secure_delete = off");
  older.run("create table older (text)");
  for (let n = 0; n < 100; n += 1) older.run("insert into older values (?)", [`${mark} ${n}`]);
  older.run("drop table older");
  older.run("update erasures set sweep = -1");
  older.close();
  expect(filesWith(cwd, [mark])).not.toEqual([]);

  const examined = await run(["doctor", ...database], { cwd });
  expect(examined.exitCode).toBe(0);
  expect(examined.stdout).toContain(
    "may still hold copies of data that an older version erased (erasures: 1)",
  );
  const repaired = await run(["doctor", ...database, "--repair"], { cwd });
  expect(repaired.exitCode).toBe(0);
  expect(repaired.stdout).toContain("repaired: copies of data that older versions erased");
  expect(filesWith(cwd, [mark])).toEqual([]);
  expect((await run(["doctor", ...database], { cwd })).stdout).toBe("file:kilde.db is sound\n");
});

test("a feed that is no longer configured is warned of, and erased from once it is configured again", async () => {
  const cwd = emptyFolder();
  const start = () => serve(cwd, ["--database-url", "file:kilde.db"]);
  const configure = (config: string) => writeFileSync(join(cwd, "kilde.config.ts"), config);
  configure(CONFIG);
  const mark = `mark-${crypto.randomUUID()}`;
  const first = await start();
  await post(first.url, "ida", mark);
  const head = async (path: string) => Number((await fetch(`${first.url}${path}`)).headers.get("kilde-head"));
  await eventually(
    async () => (await head("/feeds/plain/v1")) >= 1 && (await head("/feeds/remembering/v1")) >= 1,
  );
  await first.stop();

  configure(`import { defineConfig } from "kilde"; export default defineConfig({ accessLog: false });`);
  const without = await start();
  await fetch(`${without.url}/streams/ida?reason=asked`, { method: "DELETE" });
  const { stdout } = await without.stop();
  const warned = stdout.split("\n").filter((line) => line.includes("a feed that is not configured"));
  expect(warned.map((line) => (JSON.parse(line) as { feed: string }).feed)).toEqual([
    "/feeds/plain/v1",
    "/feeds/remembering/v1",
  ]);

  configure(CONFIG);
  const again = await start();
  await eventually(() => filesWith(cwd, [mark]).length === 0, { withinMs: 60_000, pollMs: 100 });
  await again.stop();
}, 90_000);
