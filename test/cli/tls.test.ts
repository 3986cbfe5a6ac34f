import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { presentedName, writeCertificate } from "../support/certificate.ts";
import { jsonPost } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { createOfflineKey } from "../support/offline-keys.ts";
import { cleanUp, emptyFolder, jsonLines, run, serve } from "./support.ts";

cleanUp();

// Each runs several processes, which are slow to start on a busy machine.
setDefaultTimeout(60_000);

const FILES = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
const tls = { rejectUnauthorized: false };

test("kilde serve speaks TLS to other machines, and the log and its verbs know the address", async () => {
  const cwd = emptyFolder();
  await writeCertificate(cwd, "kilde.example");
  const server = await serve(cwd, ["--host", "0.0.0.0", "--open", ...FILES]);
  expect(server.url).toStartWith("https://0.0.0.0:");
  const { port } = new URL(server.url);
  expect(await presentedName(Number(port))).toBe("kilde.example");
  const append = jsonPost({ events: [{ type: "Opened" }] });
  expect((await fetch(`https://127.0.0.1:${port}/streams/a`, { ...append, tls })).status).toBe(201);
  // Any name that a certificate may have.
  const named = { headers: { Host: "kilde.example" }, tls };
  expect((await fetch(`https://127.0.0.1:${port}/events`, named)).status).toBe(200);
  await fetch(`http://127.0.0.1:${port}/events`).then(
    ({ status }) => expect(status).not.toBe(200),
    () => {},
  );
  const { stderr } = await run(["read"], {
    cwd: emptyFolder(),
    environment: { KILDE_PORT: port, KILDE_TLS_CERT: "server.pem", KILDE_TLS_KEY: "server.key" },
  });
  expect(stderr).toContain(`https://127.0.0.1:${port}`);
  await server.stop();
});

/** The name in the certificate that a new connection gets; null: the connection was reset, because the server was loading. */
function presentedNow(port: number): Promise<string | null> {
  return presentedName(port).catch((error: unknown) => {
    if (error instanceof Error && error.message.includes("ECONNRESET")) return null;
    throw error;
  });
}

test("SIGHUP loads the certificate again: new connections have it, and open streams and requests continue", async () => {
  const cwd = emptyFolder();
  await writeCertificate(cwd, "first.example");
  const server = await serve(cwd, FILES);
  const port = Number(new URL(server.url).port);
  const url = `https://127.0.0.1:${port}`;
  const append = jsonPost({ events: [{ type: "Opened" }] });
  const stream = await fetch(`${url}/events`, { headers: { accept: "text/event-stream" }, tls });
  const poll = fetch(`${url}/events?timeout=30000`, { tls });
  // Awaited below: a failure before that ends the server, and with it this request.
  poll.catch(() => {});
  // A connection that the server has not accepted when it reloads may be reset.
  const metrics = async () => (await fetch(`${url}/metrics`, { tls })).text();
  await eventually(async () => /^kilde_followers 2$/m.test(await metrics()));
  expect(await presentedName(port)).toBe("first.example");

  await Bun.write(join(cwd, "server.pem"), "no certificate");
  process.kill(server.pid, "SIGHUP");
  await Bun.sleep(500);
  expect(await presentedName(port)).toBe("first.example");

  for (const name of ["second.example", "third.example"]) {
    await writeCertificate(cwd, name);
    process.kill(server.pid, "SIGHUP");
    await eventually(async () => (await presentedNow(port)) === name);
  }
  for (let n = 0; n < 10; n += 1) expect(await eventually(() => presentedNow(port))).toBe("third.example");
  expect((await fetch(`${url}/streams/a`, { ...append, tls })).status).toBe(201);
  expect(await (await poll).json()).toHaveLength(1);
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  let received = "";
  while (!received.includes("event: Opened")) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) throw new Error(`the stream ended after ${received}`);
    received += value;
  }
  const { stdout, exitCode } = await server.stop();
  expect(exitCode).toBe(0);
  const messages = jsonLines(stdout).map(({ msg }) => msg);
  expect(messages).toContain("the certificate could not be loaded again; the former one stays");
  expect(messages.filter((message) => message === "the certificate was loaded again")).toHaveLength(2);
});

const MISMATCH = "tlsKey: other.key is not the private key of the certificate in server.pem";

test.each([
  [["--host", "0.0.0.0"], 'host: "0.0.0.0" accepts other machines'],
  [["--tls-cert", "server.pem"], "tlsKey: is missing, and tlsCert is set (flag --tls-cert)"],
  [["--tls-key", "server.key"], "tlsCert: is missing, and tlsKey is set (flag --tls-key)"],
  [["--tls-cert", "none.pem", "--tls-key", "server.key"], "tlsCert: none.pem cannot be read"],
  [
    ["--tls-cert", "server.key", "--tls-key", "server.key"],
    "tlsCert: server.key is not a certificate in PEM",
  ],
  [["--tls-cert", "server.pem", "--tls-key", "server.pem"], "tlsKey: server.pem is not a private key in PEM"],
  [["--tls-cert", "server.pem", "--tls-key", "other.key"], MISMATCH],
])("kilde serve %p exits with 2 and names the fault: %s", async (args, fault) => {
  const cwd = emptyFolder();
  await writeCertificate(cwd, "other.example");
  await Bun.write(join(cwd, "other.key"), Bun.file(join(cwd, "server.key")));
  await writeCertificate(cwd, "kilde.example");
  const { exitCode, stderr } = await run(["serve", "--port", "0", ...args], { cwd });
  expect(stderr).toContain(fault);
  expect(stderr).not.toContain("PRIVATE KEY");
  expect(exitCode).toBe(2);
});

test("a server with TLS refuses the port of another one, though its own sockets share it", async () => {
  const cwd = emptyFolder();
  await writeCertificate(cwd, "kilde.example");
  const server = await serve(cwd, FILES);
  const { port } = new URL(server.url);
  await writeCertificate(cwd, "kilde.example");
  const other = ["--port", port, "--database-url", "file:other.db"];
  const { exitCode, stderr } = await run(["serve", ...FILES, ...other], { cwd });
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`Port ${port} of 127.0.0.1 is in use`)]);
  await server.stop();
});

test("the banner states whether the server is open, and how to create the first key", async () => {
  const cwd = emptyFolder();
  const banner = async (args: readonly string[]) => {
    const server = await serve(cwd, args);
    return (await server.stop()).stderr;
  };
  const open = await banner([]);
  expect(open).toContain("Open: anyone who reaches this address may do everything.");
  expect(open).toContain("kilde keys create admin --may admin");
  expect(open).not.toContain("Authorization");
  expect(await banner(["--behind-proxy"])).toContain("Not secured: requests are refused until the first key");
  await createOfflineKey(`file:${join(cwd, "data/kilde.db")}`);
  const closed = await serve(cwd, ["--open"]);
  const { stdout, stderr } = await closed.stop();
  expect(stderr).toContain("Closed: requests need a key");
  expect(stderr).toContain("curl -N http://127.0.0.1");
  expect(stderr).toContain("browsers need a session");
  expect(stderr).toContain('-H "Authorization: Bearer $KILDE_TOKEN"');
  expect(stdout).toContain("`open` has no effect");
});

test("the banner of a server with tenants names a tenant in the command that creates a key", async () => {
  const cwd = emptyFolder();
  const tenants = `[{ name: "shop-a", path: "/a", databaseUrl: "file:a.db" }]`;
  await Bun.write(join(cwd, "kilde.config.ts"), `export default { tenants: ${tenants} };`);
  const { stderr } = await (await serve(cwd)).stop();
  expect(stderr).toContain("\n  kilde keys create admin --may admin --tenant shop-a\n");
});

test("the access log names the sender of a request, and has nothing of a token", async () => {
  const cwd = emptyFolder();
  const { token } = await createOfflineKey(`file:${join(cwd, "data/kilde.db")}`);
  const server = await serve(cwd);
  const ask = (authorization: string) => fetch(`${server.url}/events`, { headers: { authorization } });
  expect((await ask(`Bearer ${token}`)).status).toBe(200);
  expect((await ask(`Bearer ${token.slice(0, -1)}x`)).status).toBe(401);
  const { stdout } = await server.stop();
  const requests = jsonLines(stdout).filter(({ path }) => path === "/events");
  expect(requests.map(({ status, principal }) => [status, principal])).toEqual([
    [200, expect.stringMatching(/^offline-\d+$/)],
    [401, undefined],
  ]);
  for (let start = 0; start + 12 <= token.length; start += 12)
    expect(stdout).not.toContain(token.slice(start, start + 12));
});
