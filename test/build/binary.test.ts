import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { jsonPost, TEST_SECRET_KEY } from "../support/app.ts";
import { buildBinary } from "../support/built-binary.ts";
import { cleanUp, emptyFolder, jsonLines, run, type Served, serve } from "../cli/support.ts";
import { configured, FEEDS, TENANTS, tenantsOf } from "../runtime/server/tenants/support.ts";

cleanUp();

const { folder: built, program } = buildBinary();

/** Starts the binary in a folder with nothing in it but `files`. */
async function serveBinary(args: string[] = [], files: Record<string, string> = {}): Promise<Served> {
  const cwd = emptyFolder();
  for (const [name, text] of Object.entries(files)) await Bun.write(join(cwd, name), text);
  return serve(cwd, args, { program });
}

describe("the binary, in an empty folder", () => {
  test("is one file", () => expect(readdirSync(built)).toEqual(["kilde"]));

  test("serves, appends, reads and documents itself", async () => {
    const server = await serveBinary();
    expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ status: "ok" });
    expect((await fetch(`${server.url}/ready`)).status).toBe(200);
    const appended = await server.kilde(["append", "user-1", "UserRegistered", '{"name":"Ida"}']);
    expect(appended.stdout).toBe("user-1 is at version 1, position 1\n");
    const [event] = jsonLines((await server.kilde(["read"])).stdout);
    expect(event).toMatchObject({ id: "1", subject: "user-1", data: { name: "Ida" } });
    const page = await (await fetch(`${server.url}/console`)).text();
    const script = /src="([^"]+\.js)"/.exec(page)?.[1] ?? expect.unreachable();
    const sizes: unknown[] = [];
    for (const path of [
      "/openapi.json",
      "/docs",
      "/docs/swagger-ui-bundle.js",
      "/docs/swagger-ui.css",
      script,
    ]) {
      const response = await fetch(server.url + path);
      expect([path, response.status]).toEqual([path, 200]);
      const { byteLength } = await response.arrayBuffer();
      expect(byteLength).toBeGreaterThan(500);
      sizes.push([path, byteLength]);
    }
    expect(readdirSync(server.cwd)).toEqual(["data"]);
    const requests = jsonLines((await server.stop()).stdout).filter(({ msg }) => msg === "request");
    expect(requests.map(({ path, bytes }) => [path, bytes])).toEqual(expect.arrayContaining(sizes));
  });

  test("stops in order at SIGTERM, and finds everything again", async () => {
    const first = await serveBinary();
    for (const n of [1, 2, 3]) await first.kilde(["append", "a", "N", String(n)]);
    expect((await first.stop("SIGTERM")).exitCode).toBe(0);
    const second = await serve(first.cwd, [], { program });
    expect(jsonLines((await second.kilde(["read", "a"])).stdout).map((event) => event["data"])).toEqual([
      1, 2, 3,
    ]);
    expect((await second.kilde(["doctor"])).stdout).toBe("file:data/kilde.db is sound\n");
  });

  test("imports, exports, backs up and restores", async () => {
    const server = await serveBinary();
    const lines = Array.from({ length: 3_000 }, (_, n) => `{"stream":"s-${n % 9}","type":"N","data":${n}}`);
    expect((await server.kilde(["import", "-"], { stdin: lines.join("\n") })).exitCode).toBe(0);
    expect((await server.kilde(["export", "all.ndjson.gz"])).stdout).toStartWith("exported 3,000 events");
    expect((await server.kilde(["backup", "b.db"])).exitCode).toBe(0);
    await server.stop();
    expect((await server.kilde(["restore", "b.db", "--force"])).exitCode).toBe(0);
    expect((await server.kilde(["doctor"])).exitCode).toBe(0);
    expect((await server.kilde(["complete", "--", "imp"])).stdout).toContain("import\t");
  });

  test("delivers webhooks", async () => {
    const received = Promise.withResolvers<unknown>();
    const receiver = Bun.serve({
      port: 0,
      async fetch(request) {
        received.resolve(await request.json());
        return new Response(null, { status: 204 });
      },
    });
    const server = await serveBinary(["--egress-allow", "127.0.0.1", "--secret-keys", TEST_SECRET_KEY]);
    const subscription = { source: "/events", url: `http://127.0.0.1:${receiver.port}/` };
    expect((await fetch(`${server.url}/subscriptions`, jsonPost(subscription))).status).toBe(201);
    await server.kilde(["append", "user-1", "UserRegistered", '{"name":"Ida"}']);
    expect(await received.promise).toMatchObject({ id: "1", subject: "user-1", data: { name: "Ida" } });
    await receiver.stop(true);
  });

  test("loads kilde.config.ts, with kilde and zod from inside itself", async () => {
    const server = await serveBinary([], {
      "kilde.config.ts": `
        import { defineConfig } from "kilde";
        import { z } from "zod";
        import { file } from "./other.ts";
        export default defineConfig({ databaseUrl: z.string().parse(\`file:\${file}\`), limits: { pageEvents: 5 } });
      `,
      "other.ts": `export const file: string = "from-config.db";`,
    });
    expect(await Bun.file(join(server.cwd, "from-config.db")).exists()).toBe(true);
    expect((await fetch(`${server.url}/events?limit=6`)).status).toBe(400);
  });

  test("serves tenants, and projects the feeds of each", async () => {
    const server = await serve(await configured(`tenants: ${TENANTS}, feeds: ${FEEDS}`), [], { program });
    const { a, b } = tenantsOf(server);
    await a.append("count-1", 1);
    await b.append("count-1", 2);
    const sums = [await a.get("/feeds/sums/v1?timeout=10000"), await b.get("/feeds/sums/v1?timeout=10000")];
    expect(sums.map(([event]) => event?.data)).toEqual([{ sum: 1 }, { sum: 2 }]);
  });

  test("takes no settings from files that the manual does not name", async () => {
    const server = await serveBinary([], { ".env": "KILDE_DATABASE_URL=file:from-dotenv.db\n" });
    expect(await Bun.file(join(server.cwd, "data/kilde.db")).exists()).toBe(true);
  });

  const fails = async (
    args: string[],
    files: Record<string, string> = {},
    as: readonly string[] = program,
  ) => {
    const cwd = emptyFolder();
    for (const [name, text] of Object.entries(files)) await Bun.write(join(cwd, name), text);
    const { exitCode, stdout, stderr } = await run(args, { cwd, program: as });
    expect(stdout).toBe("");
    expect(stderr).not.toContain("    at ");
    return { exitCode, stderr, cwd };
  };

  test("reports the faults of a configuration", async () => {
    const { exitCode, stderr } = await fails(["serve"], {
      "kilde.config.ts": "export default { prot: 8080 };",
    });
    expect(exitCode).toBe(2);
    expect(stderr).toBe("kilde: prot: there is no such setting; did you mean port? (kilde.config.ts)\n");
    const broken = await fails(["serve"], { "kilde.config.ts": "export default {\n  port: ,\n};" });
    expect(broken.stderr).toContain("kilde.config.ts:2)");
  });

  test("reports that a port is in use", async () => {
    const server = await serveBinary();
    const { exitCode, stderr } = await fails(["serve", "--port", new URL(server.url).port]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("is in use\n  Stop the process that uses it");
  });

  test("reports that a file is not a database", async () => {
    const text = "x".repeat(10_000);
    const { exitCode, stderr, cwd } = await fails(
      ["serve", "--port", "0", "--database-url", "file:text.db"],
      { "text.db": text },
    );
    expect(exitCode).toBe(5);
    expect(stderr).toStartWith("kilde: file:text.db is not a database");
    expect(await Bun.file(join(cwd, "text.db")).text()).toBe(text);
  });

  // The superuser may write everything, so the test switches to another user.
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const isRoot = process.getuid?.() === 0;
  test.skipIf(isRoot && Bun.which("setpriv") === null)("reports that a file is read-only", async () => {
    const server = await serveBinary();
    await server.kilde(["append", "a", "X"]);
    await server.stop();
    const file = join(server.cwd, "data/kilde.db");
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    for (const [path, mode] of [
      [file, 0o444],
      [join(server.cwd, "data"), 0o555],
      [server.cwd, 0o755],
      [built, 0o755],
    ] as const) {
      chmodSync(path, mode);
    }
    const { exitCode, stdout, stderr } = await run(["serve", "--port", "0"], {
      cwd: server.cwd,
      program: isRoot ? [...nobody, ...program] : program,
    });
    chmodSync(join(server.cwd, "data"), 0o755);
    expect(stderr).toStartWith("kilde: The database file:data/kilde.db is read-only");
    expect([exitCode, stdout]).toEqual([1, ""]);
  });
});
