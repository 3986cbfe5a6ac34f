import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { ApiKey, IssuedApiKey } from "../../src/client/key-types.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, databaseOf, emptyFolder, jsonLines, launch, run, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

/** Runs `kilde keys …` on the database of a folder. */
async function keys(cwd: string, ...args: readonly string[]) {
  return run(["keys", ...args], { cwd, environment: await databaseOf(cwd) });
}

/** Runs `kilde keys …`, which must succeed, and returns what it printed for programs. */
async function done(cwd: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await keys(cwd, ...args);
  if (exitCode !== 0) throw new Error(stderr);
  return stdout;
}

const TOKEN = /^kilde_[a-z0-9]{12}_[\w-]{43}_[0-9a-f]{8}\n$/;

const create = async (cwd: string, ...args: readonly string[]) => (await done(cwd, "create", ...args)).trim();

const listed = async (cwd: string, ...args: readonly string[]) =>
  jsonLines<ApiKey>(await done(cwd, "list", "--json", ...args));

/** Waits until a server that was open knows of the first key. */
async function closed(url: string): Promise<void> {
  await eventually(async () => (await statusOf(url, "none")) === 401);
}

async function statusOf(url: string, token: string): Promise<number> {
  const response = await fetch(`${url}/streams`, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

describe("kilde keys create", () => {
  test("makes a database, and prints the token alone on standard output and the rest for people", async () => {
    const cwd = emptyFolder();
    const { exitCode, stdout, stderr } = await keys(
      cwd,
      "create",
      "cards",
      "--consumer=cards",
      "--may=read:/feeds/declarations",
      "--expires=90d",
    );
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(TOKEN)]);
    expect(stderr).toContain('Created the key "cards"');
    expect(stderr).toContain("It is the first key: from now on, requests without a token are refused.");
    expect(stderr).not.toContain(stdout.trim());
    const [key, ...others] = await listed(cwd);
    expect(others).toEqual([]);
    expect(key).toMatchObject({ name: "cards", consumer: "cards", grants: ["read:/feeds/declarations"] });
    const days = (Date.parse(key?.expires ?? "") - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(90);
  });

  test("prints one JSON value with --json", async () => {
    const { stdout, stderr } = await keys(emptyFolder(), "create", "root", "--may", "admin", "--json");
    const [key] = jsonLines<IssuedApiKey>(stdout);
    expect(key).toMatchObject({ name: "root", status: "active", expires: null });
    expect(`${key?.token ?? ""}\n`).toMatch(TOKEN);
    expect(stderr).not.toContain("kilde_");
  });

  const WRONG: readonly (readonly [readonly string[], number, string])[] = [
    [
      ["x", "--may", "read:/events", "--may", "raed:/x"],
      2,
      "argument 'raed:/x' is invalid. The grant must be",
    ],
    [["x", "--may", "append:/events"], 2, "'append:/events' is invalid. The grant cannot be granted"],
    [["x"], 2, "required option '--may <grant>' not specified"],
    [["x", "--may", "admin", "--expires", "soon"], 2, "It must be a duration such as 12h or 90d"],
    [["x", "--may", "admin", "--expires", "2020-01-01"], 1, "/expires: must be in the future"],
    [["jwt:x", "--may", "admin"], 1, '/name: must not begin with "jwt:"'],
  ];
  test.each(WRONG)("refuses %j, and names the fault", async (args, code, fault) => {
    const cwd = emptyFolder();
    const { exitCode, stdout, stderr } = await keys(cwd, "create", ...args);
    expect([exitCode, stdout]).toEqual([code, ""]);
    expect(stderr.replaceAll(/\s+/g, " ")).toContain(fault);
  });

  test("refuses the name of another valid key", async () => {
    const cwd = emptyFolder();
    await create(cwd, "root", "--may", "admin");
    const { exitCode, stderr } = await keys(cwd, "create", "root", "--may", "admin");
    expect(exitCode).toBe(1);
    expect(stderr).toContain('has the name "root"');
  });
});

describe("a running server", () => {
  test("knows within seconds of keys that are created, rotated and revoked on its database", async () => {
    const cwd = emptyFolder();
    const { url } = await serve(cwd);
    expect((await fetch(`${url}/streams`)).status).toBe(200);
    const first = await create(cwd, "root", "--may", "admin");
    await closed(url);
    expect(await statusOf(url, first)).toBe(200);
    const recorded = await fetch(`${url}/operations`, { headers: { authorization: `Bearer ${first}` } });
    const entries = (await recorded.json()) as { type: string; data: object }[];
    expect(entries.map(({ type, data }) => [type, data])).toEqual([
      ["kilde.key.created", { principal: null, name: "root", grants: ["admin"], consumer: null }],
    ]);
    const second = (await done(cwd, "rotate", "root")).trim();
    await eventually(async () => (await statusOf(url, second)) === 200);
    expect(await statusOf(url, first)).toBe(200);
    const [id] = /(?<=^kilde_)[a-z0-9]+/.exec(first) ?? [""];
    expect(await done(cwd, "revoke", id)).toBe(`The key "root" (${id}) is revoked.\n`);
    await eventually(async () => (await statusOf(url, first)) === 401);
    expect(await statusOf(url, second)).toBe(200);
  });

  for (const args of [[], ["--behind-proxy"]])
    test(`accepts its first key at once, started with ${JSON.stringify(args)}`, async () => {
      const cwd = emptyFolder();
      const { url } = await serve(cwd, args);
      // So that the server has checked its keys a short time ago.
      await fetch(`${url}/streams`);
      const token = await create(cwd, "root", "--may", "admin");
      // An unknown token makes the server check its keys at most every 100 ms.
      await Bun.sleep(150);
      const session = await fetch(`${url}/session`, { headers: { authorization: `Bearer ${token}` } });
      expect(await session.json()).toMatchObject({ kind: "key", name: "root" });
    });

  test("serves the same commands with --url and a token of an admin", async () => {
    const cwd = emptyFolder();
    const server = await serve(cwd);
    const token = await create(cwd, "root", "--may", "admin");
    await closed(server.url);
    const remote = async (...args: readonly string[]) => {
      const options = { cwd: emptyFolder(), environment: { KILDE_TOKEN: token } };
      const { exitCode, stdout, stderr } = await run(["keys", ...args, "--url", server.url], options);
      if (exitCode !== 0) throw new Error(stderr);
      return stdout;
    };
    const cards = (await remote("create", "cards", "--may", "read:/streams", "--expires", "1h")).trim();
    expect(await statusOf(server.url, cards)).toBe(200);
    expect(await remote("check", "cards", "--may", "read:/streams/a", "--json")).toBe(
      '{"grant":"read:/streams/a","granted":true}\n',
    );
    const own = await run(
      ["keys", "check", "--may", "read:/streams/a", "--may", "append:/streams/a", "--url", server.url],
      { cwd, environment: { KILDE_TOKEN: cards } },
    );
    expect([own.exitCode, own.stdout]).toEqual([1, "yes  read:/streams/a\nno   append:/streams/a\n"]);
    const rotated = (await remote("rotate", "cards", "--overlap", "0s")).trim();
    expect([await statusOf(server.url, cards), await statusOf(server.url, rotated)]).toEqual([401, 200]);
    await remote("revoke", "cards");
    expect(await statusOf(server.url, rotated)).toBe(401);
    expect(await remote("list")).not.toContain("cards");
    expect(await remote("list", "--all")).toContain("cards");
    const refused = await run(["keys", "--url", server.url], { cwd });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("KILDE_TOKEN");
  });
});

describe("the last key with the grant admin", () => {
  test("is revoked, or rotated without an overlap, only with --yes", async () => {
    const cwd = emptyFolder();
    await create(cwd, "root", "--may", "admin");
    await create(cwd, "other", "--may", "read:/events");
    for (const args of [
      ["revoke", "root"],
      ["rotate", "root", "--overlap", "0s"],
    ]) {
      const { exitCode, stdout, stderr } = await keys(cwd, ...args);
      expect([exitCode, stdout]).toEqual([1, ""]);
      expect(stderr).toContain("It is the last key with the grant admin");
    }
    expect((await listed(cwd)).map(({ name, status }) => [name, status])).toEqual([
      ["other", "active"],
      ["root", "active"],
    ]);
    await done(cwd, "rotate", "root", "--overlap", "0s", "--yes");
    expect(await done(cwd, "revoke", "root", "--yes")).toContain('The key "root"');
    expect((await listed(cwd)).map(({ name }) => name)).toEqual(["other"]);
  });

  test("ends without a question while another one is valid", async () => {
    const cwd = emptyFolder();
    await create(cwd, "root", "--may", "admin");
    await create(cwd, "second", "--may", "admin");
    expect(await done(cwd, "revoke", "root")).toContain('The key "root"');
  });
});

test("keys check prints what a key may do, and fails if it may not do all of it", async () => {
  const cwd = emptyFolder();
  const token = await create(
    cwd,
    "shop",
    "--may",
    "append:/streams/order-*",
    "--may",
    "read:/streams/order-*",
  );
  const asked = ["--may", "append:/streams/order-7", "--may", "read:/streams/order-*"];
  expect(await done(cwd, "check", "shop", ...asked)).toBe(
    "yes  append:/streams/order-7\nyes  read:/streams/order-*\n",
  );
  const { exitCode, stdout } = await keys(cwd, "check", "shop", ...asked, "--may", "append:/streams/*");
  expect([exitCode, stdout]).toEqual([
    1,
    "yes  append:/streams/order-7\nyes  read:/streams/order-*\nno   append:/streams/*\n",
  ]);
  const environment = await databaseOf(cwd);
  const own = (text: string) =>
    run(["keys", "check", "--may", "append:/streams/order-7"], {
      cwd,
      environment: { ...environment, KILDE_TOKEN: text },
    });
  expect(await own(token)).toMatchObject({ exitCode: 0, stdout: "yes  append:/streams/order-7\n" });
  const forged = `${token.slice(0, 30)}${token[30] === "A" ? "B" : "A"}${token.slice(31)}`;
  expect((await own(forged)).stderr).toContain("The token is not that of a valid key");
  expect((await keys(cwd, "check", "nobody", "--may", "admin")).exitCode).toBe(1);
  expect((await keys(cwd, "check", "--may", "admin")).exitCode).toBe(2);
});

test("commands that change keys do not create a database", async () => {
  const cwd = emptyFolder();
  for (const args of [["list"], ["revoke", "a"], ["rotate", "a"]]) {
    const { exitCode, stderr } = await run(["keys", ...args], { cwd });
    expect([args, exitCode]).toEqual([args, 1]);
    expect(stderr).toContain("There is no database at");
  }
  expect(existsSync(join(cwd, "data"))).toBe(false);
});

describe("the token of commands", () => {
  test("comes from --token, --token-file, KILDE_TOKEN or KILDE_TOKEN_FILE, and only --token warns", async () => {
    const cwd = emptyFolder();
    const server = await serve(cwd);
    const token = await create(cwd, "root", "--may", "admin");
    const file = join(cwd, "root.token");
    writeFileSync(file, `${token}\n`);
    await closed(server.url);
    const append = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
      server.kilde(["append", "a", "A", ...args], { environment });
    expect((await append([])).exitCode).toBe(1);
    const quiet = { exitCode: 0, stderr: "" };
    expect(await append(["--token-file", "root.token"])).toMatchObject(quiet);
    expect(await append([], { KILDE_TOKEN: token })).toMatchObject(quiet);
    expect(await append([], { KILDE_TOKEN_FILE: file })).toMatchObject(quiet);
    const flagged = await append(["--token", token]);
    expect(flagged.exitCode).toBe(0);
    expect(flagged.stderr).toBe(
      "kilde: --token shows a secret to the other users of this machine; use KILDE_TOKEN_FILE or KILDE_TOKEN\n",
    );
  });

  test("is not shown when it is invalid, which is a fault of the command line", async () => {
    const cwd = emptyFolder();
    const failure = async (args: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
      const { exitCode, stderr } = await run(["streams", ...args], { cwd, environment });
      expect(exitCode).toBe(2);
      expect(stderr).not.toContain("hunter2");
      return stderr;
    };
    expect(await failure(["--token-file", "none"])).toContain('"none" cannot be read');
    writeFileSync(join(cwd, "empty"), " \n");
    expect(await failure(["--token-file", "empty"])).toContain('the file "empty" is empty');
    expect(await failure([], { KILDE_TOKEN: "hunter2 two" })).toContain("(environment KILDE_TOKEN)");
    expect(await failure([], { KILDE_TOKEN: "a", KILDE_TOKEN_FILE: "b" })).toContain("both set");
    expect(await failure(["--token", "a", "--token-file", "b"])).toContain("cannot be used with");
  });

  test("is read from its file again when it ends, so that following continues", async () => {
    const cwd = emptyFolder();
    const server = await serve(cwd);
    const environment = await databaseOf(cwd);
    const file = join(cwd, "root.token");
    const write = (token: string) => {
      writeFileSync(`${file}.new`, token);
      renameSync(`${file}.new`, file);
    };
    const first = await create(cwd, "root", "--may", "admin");
    write(first);
    await closed(server.url);
    const options = { environment: { KILDE_TOKEN_FILE: file } };
    await server.kilde(["append", "a", "A"], options);
    const following = launch(["follow", "a", "--last-event-id", "0"], {
      cwd,
      environment: { ...environment, KILDE_URL: server.url, KILDE_TOKEN_FILE: file },
    });
    let printed = "";
    const reading = (async () => {
      for await (const text of following.stdout.pipeThrough(new TextDecoderStream())) printed += text;
    })();
    await eventually(() => printed.includes('"id":"1"'));
    write((await done(cwd, "rotate", "root", "--overlap", "0s", "--yes")).trim());
    await server.stop("SIGKILL");
    const { port } = new URL(server.url);
    const again = await serve(cwd, ["--port", port]);
    expect((await again.kilde(["append", "a", "A"], options)).exitCode).toBe(0);
    await eventually(() => printed.includes('"id":"2"'));
    following.kill();
    await reading;
  });
});

describe("a secret of a setting", () => {
  const KEY = `k1:${Buffer.alloc(32, 7).toString("base64")}`;

  test("comes from a file, and a flag with it warns", async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, "keys"), `${KEY}\nk0:${KEY.slice(3)}\n`);
    const server = await serve(cwd, [], { environment: { KILDE_SECRET_KEYS_FILE: "keys" } });
    const created = await server.kilde(["webhooks", "create", "/events", "https://example.org/hook"]);
    expect(created.exitCode).toBe(0);
    const { stderr } = await server.stop();
    expect(stderr).not.toContain("is ignored");
    const flagged = await serve(cwd, ["--secret-keys", KEY]);
    expect((await flagged.stop()).stderr).toContain(
      "kilde: --secret-keys shows a secret to the other users of this machine; use KILDE_SECRET_KEYS_FILE or KILDE_SECRET_KEYS\n",
    );
  });

  test("stops the start when it is not in its file, and the error names the variable", async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, "secret"), "hunter2");
    chmodSync(join(cwd, "secret"), 0o600);
    const environment = {
      KILDE_SECRET_KEYS_FILE: "none",
      KILDE_DATABASE_AUTH_TOKEN: "a",
      KILDE_DATABASE_AUTH_TOKEN_FILE: "secret",
      KILDE_TENANT_SHOP_DATABASE_AUTH_TOKEN_FILE: "",
    };
    const { exitCode, stderr } = await run(["serve", "--port", "0"], { cwd, environment });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('kilde: KILDE_SECRET_KEYS_FILE: the file "none" cannot be read');
    expect(stderr).toContain(
      "kilde: KILDE_DATABASE_AUTH_TOKEN_FILE: KILDE_DATABASE_AUTH_TOKEN is set as well",
    );
    const wrong = await run(["serve", "--port", "0"], {
      cwd,
      environment: { KILDE_SECRET_KEYS_FILE: "secret" },
    });
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).not.toContain("hunter2");
  });

  test("has a file, and other settings have none", async () => {
    const { stderr } = await run(["streams"], { cwd: emptyFolder(), environment: { KILDE_PORT_FILE: "x" } });
    expect(stderr).toContain("KILDE_PORT_FILE is ignored");
  });
});
