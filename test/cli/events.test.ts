import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { openDatabase } from "../../src/storage/open.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, FROM_SOURCE, jsonLines, launch, run, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

describe("append and read", () => {
  test("keep the data of an event as it was written", async () => {
    const server = await serve(emptyFolder());
    const data = '{ "n": 12345678901234567890123456789.0, "text": "\\u00e6" }';
    const metadata = '{"correlationId":"c-1","big":1e400}';
    const appended = await server.kilde([
      "append",
      "user-1",
      "UserRegistered",
      data,
      "--metadata",
      metadata,
      "--time",
      "2026-01-31T12:00:00+01:00",
    ]);
    expect(appended).toEqual({ exitCode: 0, stdout: "user-1 is at version 1, position 1\n", stderr: "" });

    const { stdout } = await server.kilde(["read", "user-1"]);
    expect(stdout).toContain('"data":{"n":12345678901234567890123456789.0,"text":"\\u00e6"}');
    const [event] = jsonLines(stdout);
    expect(event).toMatchObject({
      id: "1",
      subject: "user-1",
      type: "UserRegistered",
      time: "2026-01-31T12:00:00+01:00",
      correlationid: "c-1",
      metadata: '{"big":1e400}',
    });
  });

  test("take data from standard input, or none", async () => {
    const server = await serve(emptyFolder());
    await server.kilde(["append", "a", "WithData", "-"], { stdin: "[1, 2]\n" });
    await server.kilde(["append", "a", "Without"]);
    const events = jsonLines((await server.kilde(["read", "a"])).stdout);
    expect(events.map((event) => event["data"])).toEqual([[1, 2], undefined]);
  });

  test("state the expected version and the idempotency key", async () => {
    const server = await serve(emptyFolder());
    const append = (...flags: string[]) => server.kilde(["append", "a", "X", "1", ...flags]);
    expect((await append("--expected-version", "exists")).exitCode).toBe(3);
    expect((await append("--expected-version", "none")).exitCode).toBe(0);
    expect((await append("--expected-version", "1", "--idempotency-key", "nøgle 1")).exitCode).toBe(0);
    const again = await append("--expected-version", "1", "--idempotency-key", "nøgle 1", "--json");
    expect(JSON.parse(again.stdout)).toEqual({ stream: "a", version: 2, position: 2, count: 1 });
    const conflict = await append("--expected-version", "1");
    expect(conflict.exitCode).toBe(3);
    expect(conflict.stderr).toStartWith(
      'kilde: The stream "a" is at version 2, and was expected at version 1\n',
    );
  });

  test("select the events that the options name", async () => {
    const server = await serve(emptyFolder());
    for (const [stream, type] of [
      ["a-1", "X"],
      ["a-1", "Y"],
      ["b-1", "X"],
      ["a-2", "Z"],
    ] as const) {
      await server.kilde(["append", stream, type]);
    }
    const ids = async (...args: string[]) =>
      jsonLines((await server.kilde(["read", ...args])).stdout).map((event) => Number(event["id"]));
    expect(await ids()).toEqual([1, 2, 3, 4]);
    expect(await ids("--last-event-id", "1", "--limit", "2")).toEqual([2, 3]);
    expect(await ids("--limit", "0")).toEqual([]);
    expect(await ids("--backwards", "--limit", "3")).toEqual([4, 3, 2]);
    expect(await ids("--type", "X", "--type", "Z")).toEqual([1, 3, 4]);
    expect(await ids("--prefix", "a-")).toEqual([1, 2, 4]);
    expect(await ids("a-1", "--after-version", "1")).toEqual([2]);
    expect(await ids("a-1", "--to-version", "1")).toEqual([1]);
    expect(await ids("a-1", "--as-of", "2000-01-01T00:00:00Z")).toEqual([]);
    const pretty = await server.kilde(["read", "a-2", "--pretty"]);
    expect(pretty.stdout).toMatch(/^4 {2}a-2@1 {2}Z {2}\d{4}-.*Z\n$/);
  });

  test("select the events with a correlation id, of all streams, as the server has them", async () => {
    const server = await serve(emptyFolder(), ["--correlations"]);
    const line = (n: number) =>
      `{"stream":"s-${n % 3}","type":"N","data":{"n":${n}.0},"metadata":{"correlationId":"order ${n % 2}"}}\n`;
    await server.kilde(["import", "-"], { stdin: Array.from({ length: 250 }, (_, n) => line(n)).join("") });
    await eventually(async () => (await server.kilde(["read", "--correlation", "none"])).stderr === "");
    const all = (await server.kilde(["read"])).stdout.split("\n").filter((text) => text.includes("order 1"));
    const read = await server.kilde(["read", "--correlation", "order 1"]);
    expect(read).toEqual({ stdout: all.map((text) => `${text}\n`).join(""), stderr: "", exitCode: 0 });
    const limited = await server.kilde(["read", "--correlation", "order 1", "--limit", "2", "--pretty"]);
    expect(limited.stdout).toMatch(/^2  s-1@1 .*\n +\{"n":1\.0\}\n4  s-0@2 .*\n.*\n$/);
    for (const other of [["s-1"], ["--type", "N"], ["--feed", "a/v1"]])
      expect((await server.kilde(["read", "--correlation", "order 1", ...other])).exitCode).toBe(2);
  });

  test("refuse a correlation where the server has no index of them, with the setting to turn on", async () => {
    const server = await serve(emptyFolder());
    const refused = await server.kilde(["read", "--correlation", "order-1"]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("correlations");
  });

  test("return more events than a page holds, in both directions", async () => {
    const server = await serve(emptyFolder());
    const lines = Array.from({ length: 2_500 }, (_, n) => `{"stream":"s-${n % 3}","type":"N","data":${n}}\n`);
    await server.kilde(["import", "-"], { stdin: lines.join("") });
    const numbers = async (...args: string[]) =>
      jsonLines((await server.kilde(["read", ...args])).stdout).map((event) => event["data"]);
    const all = lines.map((_, n) => n);
    expect(await numbers()).toEqual(all);
    expect(await numbers("--backwards")).toEqual(all.toReversed());
    expect(await numbers("--limit", "1001")).toEqual(all.slice(0, 1_001));
    expect(await numbers("s-1")).toEqual(all.filter((n) => n % 3 === 1));
  });

  test("succeed when the reader of their output has enough", async () => {
    const server = await serve(emptyFolder());
    const lines = Array.from({ length: 5_000 }, (_, n) => `{"stream":"s","type":"N","data":${n}}\n`);
    await server.kilde(["import", "-"], { stdin: lines.join("") });
    const shell = `"$0" "$1" read --url ${server.url} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await run(["-c", shell, ...FROM_SOURCE], {
      cwd: server.cwd,
      program: ["bash"],
    });
    expect(stdout.trim().split("\n").at(-1)).toBe("0");
    expect(stderr).toBe("");
  });
});

describe("follow", () => {
  test("prints new events, and continues when the server returns", async () => {
    const cwd = emptyFolder();
    const first = await serve(cwd);
    const port = new URL(first.url).port;
    await first.kilde(["append", "a", "Before"]);
    const child = launch(["follow", "--last-event-id", "0", "--url", first.url], { cwd });
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const until = async (count: number) => {
      while (jsonLines(text.slice(0, text.lastIndexOf("\n") + 1)).length < count) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended after: ${text}`);
        text += value;
      }
    };
    await until(1);
    await first.kilde(["append", "a", "While"]);
    await until(2);
    await first.stop();
    const second = await serve(cwd, ["--port", port]);
    await second.kilde(["append", "a", "After"]);
    await until(3);
    expect(jsonLines(text).map((event) => event["type"])).toEqual(["Before", "While", "After"]);
  });

  test("starts with new events by default", async () => {
    const server = await serve(emptyFolder());
    await server.kilde(["append", "a", "Before"]);
    const child = launch(["follow", "--pretty", "--url", server.url], { cwd: server.cwd });
    // The test cannot observe when the follower has asked for the end of the log, so it appends until an event
    // arrives.
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let first: string | undefined;
    const printed = reader.read().then(({ value }) => (first = value));
    while (first === undefined) await Promise.race([server.kilde(["append", "a", "Later"]), printed]);
    expect(first).toContain("Later");
    expect(first).not.toContain("Before");
  });

  test("does not wait for a server that was never there", async () => {
    const { exitCode, stderr } = await run(["follow", "--url", "http://127.0.0.1:1"], { cwd: emptyFolder() });
    expect(exitCode).toBe(4);
    expect(stderr).toStartWith("kilde: No answer from http://127.0.0.1:1 (ECONNREFUSED)\n");
  });
});

test("streams lists the streams, and truncate and erase remove events", async () => {
  const server = await serve(emptyFolder());
  for (const stream of ["a-1", "a-1", "a-2", "b-1"]) await server.kilde(["append", stream, "X"]);
  const listed = async (...args: string[]) =>
    jsonLines((await server.kilde(["streams", "--json", ...args])).stdout);
  expect((await listed("a-")).map((info) => [info["stream"], info["version"]])).toEqual([
    ["a-1", 2],
    ["a-2", 1],
  ]);
  expect((await listed("--changed-since", "2")).map((info) => info["stream"])).toEqual(["a-2", "b-1"]);
  expect(await listed("--limit", "1")).toHaveLength(1);
  expect((await server.kilde(["streams"])).stdout).toMatch(/^ VERSION .*\n {7}2 {11}2 {2}\S+ {2}a-1\n/);

  const truncated = await server.kilde(["truncate", "a-1", "--before", "2"]);
  expect(truncated.stdout).toBe("a-1 now begins at version 2\n");
  const erased = await server.kilde(["erase", "b-1", "--reason", "asked to be forgotten", "--json"]);
  expect(JSON.parse(erased.stdout)).toEqual({ stream: "b-1", version: 2 });
  expect((await server.kilde(["streams", "b-"])).stdout).toContain("b-1  (erased)");
  expect((await server.kilde(["append", "b-1", "X"])).exitCode).toBe(3);
  const none = await server.kilde(["truncate", "none", "--before", "1"]);
  expect(none.exitCode).toBe(1);
  expect(none.stderr).toStartWith('kilde: There is no stream "none"\n');
});

describe("a fault of a command", () => {
  const cases: readonly (readonly [args: string[], exitCode: number, message: string])[] = [
    [["append", "a", "X", "{bad"], 2, "kilde: data: JSON Parse error"],
    [["append", "a", "X", '{"a":1,"a":2}'], 2, 'kilde: data: The object has two members named "a"'],
    [["append", "a", "X", "1", "--metadata", "["], 2, "kilde: --metadata: JSON Parse error"],
    [["append", "..", "X"], 2, 'kilde: The stream name ".." must not be'],
    [
      ["append", "a", "X", "--expected-version", "-1"],
      2,
      "kilde: option '--expected-version <version>' argument '-1' is invalid.",
    ],
    [["append", "a"], 2, "kilde: missing required argument 'type'"],
    [["appendd"], 2, "kilde: unknown command 'appendd'\n(Did you mean append?)"],
    [["read", "--limit", "x"], 2, "kilde: option '--limit <count>' argument 'x' is invalid."],
    [["read", "--url", "nowhere"], 2, 'kilde: url: "nowhere" must be an http(s):// address (flag --url)'],
    [["read", "--url", "http://127.0.0.1:1"], 4, "kilde: No answer from http://127.0.0.1:1 (ECONNREFUSED)"],
    [["import", "none.ndjson", "--url", "http://127.0.0.1:1"], 4, "kilde: No answer from http://127.0.0.1:1"],
    [["truncate", "a"], 2, "kilde: required option '--before <version>' not specified"],
    [["erase", "a"], 2, "kilde: required option '--reason <text>' not specified"],
  ];
  for (const [args, code, message] of cases) {
    test(`is reported: kilde ${args.join(" ")}`, async () => {
      const { exitCode, stderr, stdout } = await run(args, { cwd: emptyFolder() });
      expect(stderr).toStartWith(message);
      expect(stderr).not.toContain("    at ");
      expect(stdout).toBe("");
      expect(exitCode).toBe(code);
    });
  }

  test("is reported when the server is no Kilde", async () => {
    const other = Bun.serve({ port: 0, fetch: () => new Response("hello", { status: 404 }) });
    const { exitCode, stderr } = await run(["streams", "--url", `http://127.0.0.1:${other.port}`], {
      cwd: emptyFolder(),
    });
    await other.stop(true);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("answered 404, and not as Kilde does");
  });

  test("is reported when an event is not JSON, with its position", async () => {
    const cwd = emptyFolder();
    const server = await serve(cwd, ["--database-url", "file:kilde.db"]);
    for (const n of [1, 2, 3]) await server.kilde(["append", "s", "A", `{"n":${n}}`]);
    const database = openDatabase({ url: `file:${join(cwd, "kilde.db")}` });
    await database.write([{ sql: "update events set data = '{' where key = 2", args: [] }]);
    database.close();
    for (const verb of [["read"], ["read", "--pretty"], ["export"], ["follow", "--last-event-id", "0"]]) {
      const { exitCode, stderr } = await server.kilde(verb);
      expect([verb, exitCode, stderr.split("\n")[0]]).toEqual([
        verb,
        1,
        "kilde: Event 2 of /events is not JSON",
      ]);
      expect(stderr).toContain("kilde doctor");
    }
  });

  test("is reported when the server refuses it, with the remedy", async () => {
    const server = await serve(emptyFolder());
    const { exitCode, stderr } = await server.kilde(["read", "--last-event-id", "99"]);
    expect(exitCode).toBe(2);
    expect(stderr.split("\n")[0]).toContain("the last event of /events is 0");
    expect(stderr).toContain("\n  Use the id of an event read from this log.");
    expect((await server.kilde(["read", "none"])).exitCode).toBe(1);
  });
});

test.each([
  "streams",
  "consumers",
  "feeds list",
  "webhooks list",
  "webhooks attempts sub_none",
  "webhooks blocked sub_none",
])("kilde %s prints no heading of a table before an error", async (command) => {
  const environment = { KILDE_URL: "http://127.0.0.1:1" };
  const failed = await run(command.split(" "), { cwd: emptyFolder(), environment });
  expect(failed).toMatchObject({ exitCode: 4, stdout: "" });
});

test("read and follow accept --json, which is their format", async () => {
  const server = await serve(emptyFolder());
  await server.kilde(["append", "user-1", "X"]);
  const read = await server.kilde(["read", "--json"]);
  expect(read).toEqual(await server.kilde(["read"]));
  expect(jsonLines(read.stdout)).toMatchObject([{ type: "X" }]);
  const both = await server.kilde(["read", "--json", "--pretty"]);
  expect(both.exitCode).toBe(2);
  expect(both.stderr).toContain("cannot be used with");
});

test("the program prints help and completions", async () => {
  const cwd = emptyFolder();
  const help = await run(["--help"], { cwd });
  expect(help.exitCode).toBe(0);
  for (const word of ["serve", "append", "restore", "Exit codes:", "5  the database or backup has faults"]) {
    expect(help.stdout).toContain(word);
  }
  const verbs = [...help.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, verb]) => verb ?? "");
  for (const verb of verbs.filter((name) => name !== "complete")) {
    const { exitCode, stdout } = await run([verb, "--help"], { cwd });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: kilde ${verb}`);
    expect(stdout).toContain("Examples:\n  $ kilde");
  }
  const { version } = (await Bun.file(join(import.meta.dir, "../../package.json")).json()) as {
    version: string;
  };
  expect((await run(["--version"], { cwd })).stdout).toBe(`${version}\n`);
  expect((await run(["complete", "bash"], { cwd })).stdout).toContain("kilde complete --");
  expect((await run(["complete", "--", "str"], { cwd })).stdout).toContain("streams\tlist streams\n");
  expect((await run([], { cwd })).exitCode).toBe(2);
}, 60_000);
