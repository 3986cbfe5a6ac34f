import { describe, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, FROM_SOURCE, jsonLines, launch, run, type Served, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

interface Exported {
  readonly stream: string;
  readonly type: string;
  readonly time: string;
  readonly data?: unknown;
  readonly metadata?: Record<string, unknown>;
  readonly position: number;
  readonly version: number;
  readonly recordedtime: string;
}

async function exported(server: Served, ...args: string[]): Promise<Exported[]> {
  return jsonLines<Exported>((await server.kilde(["export", ...args])).stdout);
}

/** Events on a few streams, several in a row on one, with times. */
function manyLines(count: number): string[] {
  return Array.from({ length: count }, (_, n) =>
    JSON.stringify({
      stream: `s-${Math.floor(n / 3) % 50}`,
      type: "Numbered",
      time: new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString(),
      data: { n, text: "æøå ".repeat(n % 40) },
    }),
  );
}

describe("import", () => {
  test("takes events in the file's order, as they are written", async () => {
    const server = await serve(emptyFolder());
    const lines = [
      '\uFEFF{"stream":"a","type":"X","id":"source-1","time":"2017-01-09T08:49:50.000Z","data":{"n": 1.10,"big":123456789012345678901}}\r',
      "",
      '{"type":"Y","stream":"b","metadata":{"causationId":"c","free":[1e400]},"id":7,"position":99,"version":3,"recordedtime":"x"}',
      '{"stream":"b","type":"Z","metadata":{},"id":"z"}',
      '{"stream":"a","type":"kilde.erased","time":"2017-01-09T08:49:50.000Z"}',
      '{"stream":"a","type":"Last","data":null}',
    ];
    const { stdout, exitCode } = await server.kilde(["import", "-"], { stdin: lines.join("\n") });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^imported 4 events in [\d.]+ s \([\d,]+\/s\); 1 tombstones left out\n$/);

    const text = (await server.kilde(["export"])).stdout;
    expect(text).toContain('"data":{"n":1.10,"big":123456789012345678901}');
    expect(text).toContain('"free":[1e400]');
    const events = jsonLines<Exported>(text);
    expect(events.map(({ stream, type, version }) => [stream, type, version])).toEqual([
      ["a", "X", 1],
      ["b", "Y", 1],
      ["b", "Z", 2],
      ["a", "Last", 2],
    ]);
    expect(events[0]).toMatchObject({ time: "2017-01-09T08:49:50.000Z", metadata: { id: "source-1" } });
    expect(events[1]?.metadata).toMatchObject({ causationId: "c", id: 7 });
    expect(events[2]?.metadata).toEqual({ id: "z" });
    expect(events[3]?.data).toBeNull();
    expect(events[3]?.metadata).toBeUndefined();
  });

  test("an export is imported as it was", async () => {
    const [first, second] = [await serve(emptyFolder()), await serve(emptyFolder())];
    await first.kilde(["import", "-"], { stdin: manyLines(2_500).join("\n") });
    const file = join(first.cwd, "all.ndjson.gz");
    expect((await first.kilde(["export", file])).exitCode).toBe(0);
    expect((await second.kilde(["import", file])).exitCode).toBe(0);
    const timeless = (events: Exported[]) =>
      events.map((event) => ({ ...event, recordedtime: "", logidentity: "" }));
    expect(timeless(await exported(second))).toEqual(timeless(await exported(first)));
  });

  test("fits a server that takes 4 MiB, however many bytes characters have", async () => {
    const server = await serve(emptyFolder(), [], {
      environment: { KILDE_LIMIT_BODY_BYTES: String(4 * 1024 * 1024) },
    });
    const line = JSON.stringify({ stream: "s", type: "Long", data: "€".repeat(60_000) });
    const imported = await server.kilde(["import", "-", "--json"], { stdin: `${line}\n`.repeat(40) });
    expect(JSON.parse(imported.stdout)).toMatchObject({ events: 40, position: 40 });
  });

  test("repeats nothing when it runs again, compressed or not", async () => {
    const server = await serve(emptyFolder());
    const file = join(server.cwd, "events.ndjson");
    const text = manyLines(2_500).join("\n");
    await Bun.write(file, text);
    await Bun.write(`${file}.gz`, gzipSync(text));
    const imported = async (path: string) =>
      JSON.parse((await server.kilde(["import", path, "--json"])).stdout);
    expect(await imported(file)).toMatchObject({ events: 2_500, replayed: 0, skipped: 0, position: 2_500 });
    expect(await imported(file)).toMatchObject({ events: 2_500, replayed: 2_500, position: 2_500 });
    expect(await imported(`${file}.gz`)).toMatchObject({ events: 2_500, replayed: 2_500, position: 2_500 });
    expect(await exported(server)).toHaveLength(2_500);
  });

  test("an invalid line is named, and the corrected file continues from there", async () => {
    const server = await serve(emptyFolder());
    const lines = manyLines(2_500);
    const wrong = lines.with(1_700, '{"stream":"s","typ":"X"}').join("\n");
    const failed = await server.kilde(["import", "-"], { stdin: wrong });
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toStartWith('kilde: line 1701: there is no member "typ"; did you mean type?\n');
    expect(await exported(server)).toHaveLength(1_000);
    const { stdout } = await server.kilde(["import", "-", "--json"], { stdin: lines.join("\n") });
    expect(JSON.parse(stdout)).toMatchObject({ events: 2_500, replayed: 1_000, position: 2_500 });
  });

  const wrong: readonly (readonly [string | Uint8Array<ArrayBuffer>, string])[] = [
    ['{"stream":"a","type":"X"', "line 2: JSON Parse error"],
    ["[1]", "line 2: not an object"],
    ['{"type":"X"}', "line 2: stream must be a text"],
    ['{"stream":"a"}', "line 2: type must be a text"],
    ['{"stream":"a","type":"X","time":5}', "line 2: time must be a text (RFC 3339)"],
    ['{"stream":"a","type":"X","metadata":[]}', "line 2: metadata must be an object"],
    ['{"stream":"a","type":"X","id":{}}', "line 2: id must be a text or a number"],
    ['{"stream":"a","type":"X","id":1,"metadata":{"id":2}}', "line 2: id is both here and in metadata"],
    ['{"stream":"a","type":"X","extra":1}', 'line 2: there is no member "extra"'],
    ['{"stream":"a","type":"X","data":{"b":1,"b":2}}', 'line 2: The object has two members named "b"'],
    // The server reports its own faults by a pointer into the request.
    ['{"stream":"a","type":"X","time":"yesterday"}', "line 2: must be a time as RFC 3339 writes it"],
    ['{"stream":"","type":"X"}', "line 2: must not be empty"],
    ['{"stream":"b","type":"kilde.mine"}', 'line 2: must not begin with "kilde."'],
    [`{"stream":"b","type":"X","data":"${"x".repeat(2_000)}"}`, "line 2: The data is larger than 1000 bytes"],
    [new Uint8Array([0x22, 0xff, 0xfe, 0x22]), "line 2: not UTF-8"],
  ];
  for (const [line, message] of wrong) {
    test(`refuses: ${message}`, async () => {
      const environment = { KILDE_LIMIT_EVENT_BYTES: "1000" };
      const server = await serve(emptyFolder(), [], { environment });
      const good = new TextEncoder().encode('{"stream":"a","type":"Good"}\n');
      const bytes = typeof line === "string" ? new TextEncoder().encode(line) : line;
      const { exitCode, stderr } = await server.kilde(["import", "-"], {
        stdin: new Uint8Array([...good, ...bytes, ...new TextEncoder().encode("\n"), ...good]),
      });
      expect(stderr).toStartWith(`kilde: ${message}`);
      expect(exitCode).not.toBe(0);
      // A batch is appended as a whole, or not at all.
      expect(await exported(server)).toEqual([]);
    });
  }

  test("refuses a file that does not exist, is a folder, or is cut off", async () => {
    const server = await serve(emptyFolder());
    const file = join(server.cwd, "cut.ndjson.gz");
    await Bun.write(file, gzipSync(manyLines(3_000).join("\n")));
    truncateSync(file, Bun.file(file).size - 500);
    const cut = await server.kilde(["import", file]);
    expect(cut.stderr).toContain("cut.ndjson.gz cannot be decompressed");
    expect(cut.exitCode).toBe(1);
    expect((await server.kilde(["import", "none.ndjson"])).stderr).toBe(
      "kilde: There is no file none.ndjson\n",
    );
    expect((await server.kilde(["import", "."])).stderr).toContain("is a folder");
  });

  test.skipIf(Bun.which("script") === null)("shows how far it is, on a terminal", async () => {
    const server = await serve(emptyFolder());
    await Bun.write(join(server.cwd, "events.ndjson"), manyLines(3_000).join("\n"));
    const command = [...FROM_SOURCE, "import", "events.ndjson", "--url", server.url].join(" ");
    const { stdout } = await run(["-qec", command, "/dev/null"], { cwd: server.cwd, program: ["script"] });
    expect(stdout).toMatch(/importing .* 100% \| 3,000 events \| [\d,]+\/s \| 0 s left/);
    expect(stdout).toContain("imported 3,000 events");
  });

  test("a killed import is continued, and so is one whose server was killed", async () => {
    const cwd = emptyFolder();
    const file = join(cwd, "events.ndjson.gz");
    const lines = manyLines(30_000);
    await Bun.write(file, gzipSync(lines.join("\n")));
    let server = await serve(cwd);
    for (const victim of ["import", "import", "server"] as const) {
      const before = await headOf(server);
      const child = launch(["import", file, "--url", server.url], { cwd });
      await eventually(async () => (await headOf(server)) >= before + 3_000);
      if (victim === "import") {
        child.kill("SIGKILL");
        await child.exited;
      } else {
        const { port } = new URL(server.url);
        await server.stop("SIGKILL");
        server = await serve(cwd, ["--port", port]);
        expect(await child.exited).toBe(0);
      }
      expect(await headOf(server)).toBeLessThanOrEqual(lines.length);
    }
    const { stdout } = await server.kilde(["import", file, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ events: 30_000, replayed: 30_000, position: 30_000 });
    const numbers = (await exported(server)).map(({ data }) => (data as { n: number }).n);
    expect(numbers).toEqual(lines.map((_, n) => n));
    await server.stop();
    expect((await server.kilde(["doctor"])).stdout).toEndWith(" is sound\n");
  }, 60_000);
});

async function headOf(server: Served): Promise<number> {
  const response = await fetch(`${server.url}/events?limit=1`, { method: "HEAD" });
  return Number(response.headers.get("kilde-head"));
}

describe("export", () => {
  test("is whole, whatever a proxy makes of the headers of answers", async () => {
    const server = await serve(emptyFolder());
    const lines = manyLines(2_500);
    expect((await server.kilde(["import", "-"], { stdin: lines.join("\n") })).exitCode).toBe(0);
    const removed = new Set(["link", "kilde-end", "kilde-head", "etag", "cache-control", "vary"]);
    for (const changed of [
      { "cache-control": "public, max-age=60" },
      { "cache-control": "no-store" },
      null,
    ]) {
      const proxy = Bun.serve({
        port: 0,
        async fetch({ url, headers }) {
          const { pathname, search } = new URL(url);
          const original = await fetch(server.url + pathname + search, { headers });
          const answer = new Response(original.body, { status: original.status });
          for (const [name, value] of original.headers) {
            if (changed !== null || !removed.has(name)) answer.headers.set(name, value);
          }
          for (const [name, value] of Object.entries(changed ?? {})) answer.headers.set(name, value);
          return answer;
        },
      });
      try {
        const { stdout, exitCode } = await run(["export", "--url", `http://127.0.0.1:${proxy.port}`], {
          cwd: emptyFolder(),
        });
        expect([exitCode, jsonLines<Exported>(stdout).length]).toEqual([0, 2_500]);
      } finally {
        await proxy.stop(true);
      }
    }
  });

  test("selects streams and types", async () => {
    const server = await serve(emptyFolder());
    for (const [stream, type] of [
      ["a-1", "X"],
      ["b-1", "Y"],
      ["a-2", "Y"],
      ["a-1", "Y"],
    ] as const) {
      await server.kilde(["append", stream, type, "1"]);
    }
    const positions = async (...args: string[]) =>
      (await exported(server, ...args)).map(({ position }) => position);
    expect(await positions("--stream", "a-1")).toEqual([1, 4]);
    expect(await positions("--prefix", "a-")).toEqual([1, 3, 4]);
    expect(await positions("--prefix", "a-", "--type", "Y")).toEqual([3, 4]);
  });

  test("keeps the attributes of CloudEvents and the reasons of tombstones", async () => {
    const server = await serve(emptyFolder());
    const event = {
      specversion: "1.0",
      id: "e-1",
      source: "/shop",
      type: "Sold",
      colour: "red",
      metadata: "text",
      data: 1,
    };
    const response = await fetch(`${server.url}/streams/a`, {
      method: "POST",
      headers: { "content-type": "application/cloudevents+json" },
      body: JSON.stringify(event),
    });
    expect(response.status).toBe(201);
    await server.kilde(["append", "b", "X"]);
    await server.kilde(["erase", "b", "--reason", "because"]);
    const [sold, erased] = await exported(server);
    const attributes = { originid: "e-1", originsource: "/shop", colour: "red", originmetadata: "text" };
    expect(sold).toMatchObject({ attributes });
    expect(sold).not.toHaveProperty("metadata");
    expect(erased).toMatchObject({ type: "kilde.erased", reason: "because", version: 2 });
    const stdin = [sold, erased].map((line) => JSON.stringify(line)).join("\n");
    expect((await server.kilde(["import", "-"], { stdin })).stdout).toContain("1 tombstones left out");
    expect((await exported(server)).at(-1)).toMatchObject({ type: "Sold", attributes, data: 1 });
  });

  for (const name of ["all.ndjson", "all.ndjson.gz"]) {
    test(`resumes ${name} wherever it was cut off`, async () => {
      const server = await serve(emptyFolder());
      const lines = manyLines(3_500);
      await server.kilde(["import", "-"], { stdin: lines.join("\n") });
      const file = join(server.cwd, name);
      const content = async () => {
        const bytes = await Bun.file(file).bytes();
        return new TextDecoder().decode(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
      };
      const first = await server.kilde(["export", file, "--json"]);
      expect(JSON.parse(first.stdout)).toMatchObject({ events: 3_500, position: 3_500 });
      const whole = await content();
      expect(jsonLines(whole)).toHaveLength(3_500);

      const { size } = Bun.file(file);
      for (const cut of [0, 1, 19, 20, 500, Math.floor(size / 2), size - 1, size]) {
        truncateSync(file, cut > size ? size : cut);
        const { exitCode } = await server.kilde(["export", file, "--resume"]);
        expect(exitCode).toBe(0);
        expect(await content()).toBe(whole);
      }
      await server.kilde(["append", "s-0", "Later"]);
      const more = await server.kilde(["export", file, "--resume", "--json"]);
      expect(JSON.parse(more.stdout)).toMatchObject({ events: 1, position: 3_501 });
      expect(jsonLines(await content())).toHaveLength(3_501);
    });
  }

  test("replaces no file, and resumes only its own", async () => {
    const server = await serve(emptyFolder());
    await Bun.write(join(server.cwd, "there.ndjson"), '{"some":"thing"}\n');
    await Bun.write(join(server.cwd, "there.gz"), gzipSync("{}\n"));
    const fails = async (...args: string[]) => {
      const { exitCode, stderr } = await server.kilde(["export", ...args]);
      expect(exitCode).not.toBe(0);
      return stderr;
    };
    expect(await fails("there.ndjson")).toContain("there.ndjson exists already");
    expect(await fails("there.ndjson", "--resume")).toContain("its last line has no position");
    expect(await fails("there.gz", "--resume")).toContain("compressed by another program");
    expect(await fails("no/such/folder.ndjson")).toContain("cannot be written");
    expect(await fails("--resume")).toContain("--resume needs the file");
    expect(await Bun.file(join(server.cwd, "there.ndjson")).text()).toBe('{"some":"thing"}\n');
  });
});
