import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { join } from "node:path";

import { cleanUp, emptyFolder, jsonLines, launch, run, serve } from "./support.ts";

cleanUp();

describe("serve", () => {
  test("prints its address and commands to try, and logs JSON", async () => {
    const server = await serve(emptyFolder());
    await fetch(`${server.url}/streams/none`);
    const { stdout, stderr, exitCode } = await server.stop();
    expect(exitCode).toBe(0);
    expect(stderr).toStartWith(
      `Created a new database, since there was none at ${join(server.cwd, "data/kilde.db")}\n`,
    );
    expect(stderr).toContain(`listens on ${server.url} (database file:data/kilde.db)`);
    expect(stderr).toContain(`curl ${server.url}/events`);
    const log = jsonLines(stdout);
    expect(log.map((entry) => entry["msg"])).toEqual(["listening", "request", "shutting down", "stopped"]);
    expect(log[0]).toMatchObject({ created: [join(server.cwd, "data/kilde.db")] });
    expect(log[1]).toMatchObject({ method: "GET", path: "/streams/none", status: 404 });
  });

  test("the first of its suggestions works as printed", async () => {
    const server = await serve(emptyFolder());
    const shell = `curl -s ${server.url}/streams/user-1 -H 'Content-Type: application/json' \\
      -d '{"events":[{"type":"UserRegistered","data":{"name":"Ida"}}]}'`;
    const { stdout } = await run(["-c", shell], { cwd: server.cwd, program: ["bash"] });
    expect(JSON.parse(stdout)).toEqual({ stream: "user-1", version: 1, position: 1, count: 1 });
  });

  test("logs requests unless the flag or the setting turns that off", async () => {
    const logsRequests = async (args: string[], environment: Record<string, string> = {}, config = "{}") => {
      const cwd = emptyFolder();
      await Bun.write(join(cwd, "kilde.config.ts"), `export default ${config};`);
      const server = await serve(cwd, args, { environment });
      await fetch(`${server.url}/health`);
      return (await server.stop()).stdout.includes('"request"');
    };
    expect(await logsRequests([])).toBe(true);
    expect(await logsRequests(["--no-access-log"])).toBe(false);
    expect(await logsRequests([], { KILDE_ACCESS_LOG: "false" })).toBe(false);
    expect(await logsRequests([], {}, "{ accessLog: false }")).toBe(false);
    expect(await logsRequests([], { KILDE_ACCESS_LOG: "true" }, "{ accessLog: false }")).toBe(true);
  });

  test("takes its settings from all sources", async () => {
    const cwd = emptyFolder();
    await Bun.write(
      join(cwd, "kilde.config.ts"),
      `import { defineConfig } from "kilde";
       export default defineConfig({ port: 1, databaseUrl: "file:from-config.db", limits: { pageEvents: 5 } });`,
    );
    const server = await serve(cwd, [], { environment: { KILDE_CORS_ORIGIN: "https://app.example" } });
    expect(await Bun.file(join(cwd, "from-config.db")).exists()).toBe(true);
    const response = await fetch(`${server.url}/events?limit=6`, {
      headers: { origin: "https://app.example" },
    });
    expect(response.status).toBe(400);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
  });

  test("answers only to names of this machine, so that no page can call it by a name of its own", async () => {
    const server = await serve(emptyFolder());
    const { port } = new URL(server.url);
    const asked = async (host: string, url = server.url) => {
      const response = await fetch(`${url}/streams/a`, {
        method: "POST",
        headers: { host, "content-type": "application/json" },
        body: '{"events":[{"type":"X"}]}',
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    for (const host of [
      "localhost",
      `LOCALHOST:${port}`,
      `127.0.0.1:${port}`,
      "127.1.2.3",
      `[::1]:${port}`,
      "a.localhost",
    ]) {
      expect(await asked(host)).toMatchObject({ status: 201 });
    }
    const strangers = [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "192.0.2.1",
      "evil_page.example",
      "evil page.example",
      "evil%zz",
      "evil:99999",
      "127.0.0.999",
      "[",
    ];
    for (const host of strangers) {
      const { status, body } = await asked(host);
      expect({ host, status, type: body["type"] }).toEqual({
        host,
        status: 421,
        type: "/problems/misdirected-request",
      });
      expect(body["detail"]).toContain(host.split(":")[0]);
    }
    expect(await (await fetch(`${server.url}/events`)).json()).toHaveLength(6);
    const log = jsonLines((await server.stop()).stdout).filter(({ status }) => status === 421);
    expect(log).toHaveLength(strangers.length);
    const guarded = await serve(emptyFolder(), ["--behind-proxy", "--open"]);
    expect(await asked("kilde.example", guarded.url)).toMatchObject({ status: 201 });
    await guarded.stop();
  });

  test("ends streams and answers pending requests at a signal to stop", async () => {
    const server = await serve(emptyFolder());
    await server.kilde(["append", "a", "X"]);
    const stream = await fetch(`${server.url}/events`, { headers: { accept: "text/event-stream" } });
    const poll = fetch(`${server.url}/events?lastEventId=1&timeout=30000`);
    const text = stream.text();
    await Bun.sleep(100);
    const started = performance.now();
    const { exitCode } = await server.stop("SIGINT");
    expect(exitCode).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await text).toMatch(/id: 1-[0-9a-f]{16}\nevent: X\n/);
    expect(await (await poll).json()).toEqual([]);
  });

  test("a request that never ends does not hold a shutdown up for ever", async () => {
    const server = await serve(emptyFolder(), ["--shutdown-timeout-ms", "300"]);
    const { port } = new URL(server.url);
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: Number(port), socket: { data() {} } });
    socket.write(
      "POST /streams/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    await Bun.sleep(100);
    const started = performance.now();
    expect((await server.stop()).exitCode).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
    socket.end();
  });

  test("a second signal stops it at once", async () => {
    const server = await serve(emptyFolder(), ["--shutdown-timeout-ms", "60000"]);
    const { port } = new URL(server.url);
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: Number(port), socket: { data() {} } });
    socket.write(
      "POST /streams/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    await Bun.sleep(100);
    const stopped = server.stop("SIGTERM");
    await Bun.sleep(200);
    expect((await server.stop("SIGTERM")).exitCode).toBe(1);
    await stopped;
    socket.end();
  });
});

describe("serve, at its start,", () => {
  const fails = async (args: string[], cwd = emptyFolder(), environment: Record<string, string> = {}) => {
    const { exitCode, stdout, stderr } = await run(["serve", ...args], { cwd, environment });
    expect(stdout).toBe("");
    expect(stderr).toStartWith("kilde: ");
    expect(stderr).not.toContain("    at ");
    return { exitCode, stderr };
  };

  test("refuses a port in use", async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => {
        const address = other.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const { exitCode, stderr } = await fails(["--port", String(port)]);
    other.close();
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith(
      `kilde: Port ${port} of 127.0.0.1 is in use\n  Stop the process that uses it, or choose`,
    );
  });

  test("refuses the port of another Kilde", async () => {
    const server = await serve(emptyFolder());
    const { port } = new URL(server.url);
    const { stderr } = await fails(["--port", port]);
    expect(stderr).toContain("is in use");
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  test("refuses an address where others could reach it unguarded", async () => {
    const { exitCode, stderr } = await fails([], emptyFolder(), { KILDE_HOST: "0.0.0.0" });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('host: "0.0.0.0" accepts other machines');
    expect(stderr).toContain("(environment KILDE_HOST)");
    const server = await serve(emptyFolder(), ["--host", "0.0.0.0", "--behind-proxy"]);
    expect((await server.stop()).exitCode).toBe(0);
  });

  test("refuses an address of another machine", async () => {
    const { exitCode, stderr } = await fails(["--host", "192.0.2.1", "--behind-proxy"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("192.0.2.1 is not an address of this machine");
  });

  test("refuses a file that is not a database, or not Kilde's", async () => {
    const cwd = emptyFolder();
    await Bun.write(join(cwd, "text.db"), "x".repeat(10_000));
    const { exitCode, stderr } = await fails(["--port", "0", "--database-url", "file:text.db"], cwd);
    expect(exitCode).toBe(5);
    expect(stderr).toStartWith("kilde: file:text.db is not a database");
    expect(await Bun.file(join(cwd, "text.db")).text()).toBe("x".repeat(10_000));
  });

  test("refuses a folder that cannot be made", async () => {
    const cwd = emptyFolder();
    await Bun.write(join(cwd, "file"), "");
    const { stderr } = await fails(["--database-url", "file:file/kilde.db"], cwd);
    expect(stderr).toContain("The folder of ");
  });

  test("refuses a libSQL server that is not there", async () => {
    const { exitCode, stderr } = await fails(["--port", "0", "--database-url", "http://127.0.0.1:1"]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain("The database http://127.0.0.1:1 cannot be used");
  });
});

test("a reader of the log that goes away does not stop the server", async () => {
  const cwd = emptyFolder();
  const child = launch(["serve", "--port", "0"], { cwd });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  const url = /"url":"([^"]+)"/.exec(value ?? "")?.[1] ?? "";
  await reader.cancel();
  for (let request = 0; request < 300; request += 1) await fetch(`${url}/health`);
  await Bun.sleep(1_500);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  child.kill("SIGTERM");
  await child.exited;
});
