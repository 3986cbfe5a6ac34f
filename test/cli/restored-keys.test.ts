import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { created, openTestAccess } from "../access/opened.ts";
import type { Access } from "../../src/access/access.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { eventually } from "../support/eventually.ts";
import { cleanUp, emptyFolder, run, serve } from "./support.ts";

cleanUp();

// Each runs several processes, which are slow to start on a busy machine.
setDefaultTimeout(60_000);

const FILE = "data/kilde.db";

async function withKeys<Result>(cwd: string, use: (access: Access) => Promise<Result>): Promise<Result> {
  mkdirSync(join(cwd, "data"), { recursive: true });
  const database = openDatabase({ url: `file:${join(cwd, FILE)}` });
  const access = await openTestAccess({ database });
  try {
    return await use(access);
  } finally {
    await access.close();
    database.close();
    // The driver releases its locks with the last of its statements.
    Bun.gc(true);
  }
}

/** A store with keys of these names, and a backup of it. */
async function backedUp(...names: readonly string[]) {
  const cwd = emptyFolder();
  const keys = await withKeys(cwd, async (access) => {
    const made: Record<string, { readonly id: string; readonly token: string }> = {};
    for (const name of names) {
      const { key, token } = await created(access, { name, grants: ["admin"], consumer: null });
      made[name] = { id: key.id, token };
    }
    return made;
  });
  expect(await run(["backup", "backup.db"], { cwd })).toMatchObject({ exitCode: 0 });
  return { cwd, keys };
}

async function restore(cwd: string, ...flags: readonly string[]) {
  const finished = await eventually(async () => {
    const attempt = await run(["restore", "backup.db", "--force", ...flags], { cwd });
    if (!attempt.stderr.includes("Another process has")) return attempt;
    // This process: its driver has yet to release the locks of a closed database.
    Bun.gc(true);
    return null;
  });
  expect([finished.exitCode, finished.stderr]).toEqual([0, finished.stderr]);
  return finished;
}

/** The names of the tokens that a server on the folder accepts. */
async function accepted(cwd: string, tokens: Readonly<Record<string, string>>): Promise<string[]> {
  const server = await serve(cwd);
  const names: string[] = [];
  for (const [name, token] of Object.entries(tokens)) {
    const headers = { Authorization: `Bearer ${token}` };
    const { status } = await fetch(`${server.url}/events`, { headers });
    if (status === 200) names.push(name);
    else expect([name, status]).toEqual([name, 401]);
  }
  expect((await fetch(`${server.url}/events`)).status).toBe(401);
  await server.stop();
  return names;
}

function tokensOf(keys: Readonly<Record<string, { readonly token: string }>>): Record<string, string> {
  return Object.fromEntries(Object.entries(keys).map(([name, { token }]) => [name, token]));
}

describe("restore", () => {
  test("repeats the revocations and rotations since the backup, and keeps the other keys", async () => {
    const { cwd, keys } = await backedUp("kept", "revoked", "rotated", "overlapping");
    await withKeys(cwd, async (access) => {
      await access.revoke(keys["revoked"]?.id ?? "");
      await access.rotate(keys["rotated"]?.id ?? "", { overlapMs: 0 });
      await access.rotate(keys["overlapping"]?.id ?? "", { overlapMs: 3_600_000 });
    });
    const { stderr } = await restore(cwd);
    expect(stderr).not.toContain("Keys revoked");
    expect(await accepted(cwd, tokensOf(keys))).toEqual(["kept", "overlapping"]);
    const database = new Database(join(cwd, FILE), { readonly: true });
    const sql = "select count(*) from api_keys where name = 'overlapping' and expires > created";
    expect(database.query(sql).values()).toEqual([[1]]);
    database.close();
    expect(await run(["doctor"], { cwd })).toMatchObject({ exitCode: 0 });
  });

  test("revokes the keys that the replaced store does not know, unless --keep-keys keeps them", async () => {
    for (const [flags, names] of [
      [[], []],
      [["--keep-keys"], ["one", "two"]],
    ] as const) {
      const { cwd, keys } = await backedUp("one", "two");
      // An empty store was started in the place of the lost one.
      for (const suffix of ["", "-wal", "-shm"])
        await Bun.file(join(cwd, FILE + suffix))
          .delete()
          .catch(() => {});
      await withKeys(cwd, () => Promise.resolve());
      const { stderr, stdout } = await restore(cwd, "--json", ...flags);
      expect(JSON.parse(stdout)).toMatchObject({ keysRevoked: 2 - names.length });
      expect(stderr.includes("Keys revoked: 2")).toBe(names.length === 0);
      expect(await accepted(cwd, tokensOf(keys))).toEqual([...names]);
    }
  });

  test("revokes all keys where no store is replaced, also with --erasures", async () => {
    const { cwd, keys } = await backedUp("one");
    for (const suffix of ["", "-wal", "-shm"])
      await Bun.file(join(cwd, FILE + suffix))
        .delete()
        .catch(() => {});
    const { stderr } = await restore(cwd, "--erasures", "backup.db.erasures.ndjson");
    expect(stderr).toContain("Keys revoked: 1.");
    expect(await accepted(cwd, tokensOf(keys))).toEqual([]);
  });

  test("a store that was secured after the backup stays secured, and no key comes back to it", async () => {
    const cwd = emptyFolder();
    await withKeys(cwd, () => Promise.resolve());
    expect(await run(["backup", "backup.db"], { cwd })).toMatchObject({ exitCode: 0 });
    const later = await withKeys(cwd, (access) => created(access, { grants: ["admin"] }));
    await restore(cwd);
    expect(await accepted(cwd, { later: later.token })).toEqual([]);
  });
});

test("identity renew revokes all keys of a store that other tools restored, unless --keep-keys keeps them", async () => {
  const { cwd, keys } = await backedUp("one");
  const kept = await run(["identity", "renew", "--keep-keys"], { cwd });
  expect(kept).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await accepted(cwd, tokensOf(keys))).toEqual(["one"]);
  const revoked = await run(["identity", "renew"], { cwd });
  expect(revoked.stderr).toContain("Keys revoked: 1");
  expect(await accepted(cwd, tokensOf(keys))).toEqual([]);
});
