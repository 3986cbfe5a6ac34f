import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { cleanUp, emptyFolder, launch, run, serve } from "../cli/support.ts";

cleanUp();

const ROUNDS = 30;

/** A folder with a stopped store of `count` events. */
async function storeOf(count: number): Promise<string> {
  const server = await serve(emptyFolder());
  const lines = Array.from({ length: count }, (_, n) => `{"stream":"s-${n % 50}","type":"N","data":${n}}\n`);
  expect((await server.kilde(["import", "-"], { stdin: lines.join("") })).exitCode).toBe(0);
  await server.stop();
  return server.cwd;
}

/** Counts the events of a sound store, in another process, which closes the file when it ends. */
async function eventsIn(file: string): Promise<number> {
  // Opened for writing, so that an interrupted write is rolled back.
  const database = new Database(file);
  const [row] = database.query("select count(*) from events where key < 1 << 40").values();
  database.close();
  expect(await run(["doctor", file], { cwd: tmpdir() })).toMatchObject({ exitCode: 0 });
  return Number(row?.[0]);
}

/** Starts a command and kills it at a random moment of its run; returns whether it was still running. */
async function killed(
  args: readonly string[],
  cwd: string,
  round: number,
  durationMs: number,
): Promise<boolean> {
  const child = launch(args, { cwd });
  await Promise.race([child.exited, Bun.sleep((durationMs * 1.2 * (round + 1)) / ROUNDS)]);
  const runs = child.exitCode === null;
  child.kill("SIGKILL");
  await child.exited;
  return runs;
}

async function durationOf(args: readonly string[], cwd: string): Promise<number> {
  const started = performance.now();
  expect((await run(args, { cwd })).exitCode).toBe(0);
  return performance.now() - started;
}

test("a restore that is killed leaves the old store or the restored one, and can be repeated", async () => {
  const template = await storeOf(20_000);
  const backup = join(await storeOf(10_000), "data/kilde.db");
  const args = ["restore", backup, "--force"];
  const fresh = () => {
    const cwd = emptyFolder();
    cpSync(join(template, "data"), join(cwd, "data"), { recursive: true });
    return cwd;
  };
  const duration = await durationOf(args, fresh());
  let interrupted = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const cwd = fresh();
    const file = join(cwd, "data/kilde.db");
    if (await killed(args, cwd, round, duration)) interrupted += 1;
    expect([10_000, 20_000]).toContain(await eventsIn(file));
    const kept = `${file}.before-restore`;
    if (existsSync(kept)) expect(await eventsIn(kept)).toBe(20_000);
    const again = await run(args, { cwd });
    if (again.exitCode !== 0) {
      expect(again.stderr).toContain("A restore was interrupted");
      rmSync(kept);
      expect((await run(args, { cwd })).exitCode).toBe(0);
    }
    expect(await eventsIn(file)).toBe(10_000);
    rmSync(cwd, { recursive: true });
  }
  expect(interrupted).toBeGreaterThan(ROUNDS / 4);
}, 600_000);

test("a backup that is killed leaves a whole file or none", async () => {
  const cwd = await storeOf(20_000);
  const duration = await durationOf(["backup", "first.db"], cwd);
  let interrupted = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    if (await killed(["backup", "b.db"], cwd, round, duration)) interrupted += 1;
    if (existsSync(join(cwd, "b.db"))) expect(await eventsIn(join(cwd, "b.db"))).toBe(20_000);
    for (const name of readdirSync(cwd))
      if (name.startsWith("b.db")) rmSync(join(cwd, name), { recursive: true });
  }
  expect(interrupted).toBeGreaterThan(ROUNDS / 4);
}, 600_000);
