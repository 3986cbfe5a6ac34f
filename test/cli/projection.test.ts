import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { jsonPost, type WireEvent } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn, TESTED_ON } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, jsonLines, run, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

/** `beside`: statements of the configuration that `feeds` uses. */
function folderWith(feeds: string, beside = ""): string {
  const cwd = emptyFolder();
  const text = `
    ${beside}
    import { defineConfig, defineFeed } from "kilde";
    import { z } from "zod";
    const events = { Added: z.object({ n: z.int() }) };
    const contract = { Doubled: z.object({ n: z.int().max(100) }) };
    const doubles = (name, more = {}) => defineFeed({
      name, version: 1, events, contract,
      publish: { Added: ({ data }) => ({ type: "Doubled", data: { n: data.n * 2 } }) },
      ...more,
    });
    export default defineConfig({ accessLog: false, feeds: [${feeds}] });`;
  writeFileSync(join(cwd, "kilde.config.ts"), text);
  return cwd;
}

async function append(url: string, ...numbers: number[]): Promise<void> {
  const events = numbers.map((n) => ({ type: "Added", data: { n } }));
  const response = await fetch(`${url}/streams/s-1`, jsonPost({ events }));
  expect(response.status).toBe(201);
}

const DATABASES: readonly (readonly [string, readonly string[]])[] =
  TESTED_ON === "sqld"
    ? [["on a libSQL server, in the one thread", []]]
    : [
        ["in a file, from a thread of its own", ["--database-url", "file:kilde.db"]],
        ["in memory, in the one thread", ["--database-url", ":memory:"]],
      ];

describe.each(DATABASES)("kilde serve projects the feeds of kilde.config.ts, %s", (_, args) => {
  test("appended events are in the feed, and in the feed of the feed", async () => {
    const down = `defineFeed({ name: "down", version: 1, source: { feed: "doubles", version: 1 },
      events: contract, contract, publish: { Doubled: ({ data }) => ({ type: "Doubled", data }) } })`;
    const cwd = folderWith(`doubles("doubles"), ${down}`);
    const server = await serve(cwd, args);
    const polled = fetch(`${server.url}/feeds/down/v1?timeout=10000`);
    await append(server.url, 21);
    expect((await (await polled).json()) as WireEvent[]).toMatchObject([
      { source: "/feeds/down/v1", type: "Doubled", subject: "s-1", data: { n: 42 }, projectedfrom: "1" },
    ]);
    const { exitCode, stdout, stderr } = await server.stop();
    expect([exitCode, stderr.includes("rror")]).toEqual([0, false]);
    expect(jsonLines(stdout)).not.toContainEqual(expect.objectContaining({ level: 50 }));
  });

  test("an event that breaks the contract halts its feed alone, and is reported", async () => {
    const cwd = folderWith(
      `doubles("strict"), doubles("loose", { contract: { Doubled: z.object({ n: z.int() }) } })`,
    );
    const server = await serve(cwd, args);
    await append(server.url, 1, 51, 2);
    const loose = await fetch(`${server.url}/feeds/loose/v1?timeout=10000&lastEventId=0&limit=3`);
    expect((await loose.json()) as WireEvent[]).not.toEqual([]);
    const status = async () => (await (await fetch(`${server.url}/feeds/strict/v1/status`)).json()) as object;
    for (let tries = 0; tries < 100; tries += 1) {
      if (((await status()) as { status: string }).status === "halted") break;
      await Bun.sleep(20);
    }
    expect(await status()).toMatchObject({
      status: "halted",
      head: 1,
      failure: { position: 2, subject: "s-1", issues: [{ pointer: "/data/n" }] },
    });
    const { stdout } = await server.stop();
    expect(jsonLines(stdout)).toContainEqual(
      expect.objectContaining({ level: 50, feed: "/feeds/strict/v1", position: 2, msg: "feed is halted" }),
    );
  });
});

test("a projecting thread that fails is started again", async () => {
  const cwd = folderWith(
    `...(Bun.isMainThread || existsSync("thrown") ? [] : [setTimeout(fail)].slice(1)), doubles("doubles")`,
    `import { existsSync, writeFileSync } from "node:fs";
    function fail() { writeFileSync("thrown", ""); throw new Error("stray"); }`,
  );
  const server = await serve(cwd, ["--database-url", "file:kilde.db"]);
  await eventually(() => existsSync(join(cwd, "thrown")));
  await append(server.url, 1);
  const events = await fetch(`${server.url}/feeds/doubles/v1?timeout=10000`);
  expect((await events.json()) as WireEvent[]).toMatchObject([{ data: { n: 2 } }]);
  const { exitCode, stdout } = await server.stop();
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/The projecting thread failed: .*stray/);
});

test.each([
  ["a feed that is there twice", `doubles("a"), doubles("a")`, /a\/v1: is defined twice/],
  [
    "a source that is not there",
    `doubles("a", { source: { feed: "b", version: 1 } })`,
    /a\/v1: source: there is no feed \/feeds\/b\/v1/,
  ],
  ["a definition that is not valid", `doubles("Not A Name")`, /Not A Name/],
])("kilde serve refuses %s", async (_, feeds, message) => {
  const { exitCode, stderr } = await run(["serve", "--port", "0"], { cwd: folderWith(feeds) });
  expect(stderr).toMatch(message);
  expect(exitCode).toBe(2);
});
