import { afterEach, expect, test } from "bun:test";
import { receive, type ReceivedEvent } from "kilde/webhook";

import { generateSecret, parseSecret, publicKeyOf } from "../../src/webhooks/signing/secret.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, launch, run, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

const SECRET = generateSecret("symmetric");
const servers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

interface Taken {
  readonly id: string;
  readonly event: ReceivedEvent;
}

/** A receiver under development: `status` is its answer to a delivery. */
function receiver(
  secret: string = SECRET,
  status: (event: ReceivedEvent, attempt: number) => number = () => 204,
) {
  const taken: Taken[] = [];
  const refused: Taken[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const delivery = await receive(request, secret);
      if (delivery.kind !== "events") return new Response(null, { status: 500 });
      const [event] = delivery.events;
      if (event === undefined) return new Response(null, { status: 500 });
      const answer = status(event, refused.filter(({ id }) => id === delivery.id).length + 1);
      (answer < 300 ? taken : refused).push({ id: delivery.id, event });
      return new Response(null, { status: answer });
    },
  });
  servers.push(server);
  return { url: `http://127.0.0.1:${server.port}/hook`, taken, refused };
}

/** Reads the further output of a program until it contains a text. */
function reader(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  let text = "";
  const ended = (async () => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  })();
  return { until: (part: string) => eventually(() => text.includes(part)), text: () => text, ended };
}

function listening(server: string, hook: string, secret: string, ...more: string[]): string[] {
  return ["listen", "--url", server, "--forward", hook, "--secret", secret, ...more];
}

const versions = (taken: readonly Taken[]) =>
  taken.map(({ event }) => `${event.subject}@${event.version}<${event.previousSequence}`);

test("kilde listen forwards events as signed webhooks, in order, and again until they are taken", async () => {
  const server = await serve(emptyFolder());
  const hook = receiver(SECRET, ({ version }, attempt) => (version === 2 && attempt < 3 ? 500 : 204));
  const data = '{"n":12345678901234567890.0}';
  for (const stream of ["a", "a", "b"]) await server.kilde(["append", stream, "X", data]);
  const child = launch(
    ["listen", "--source", "/events", ...listening(server.url, hook.url, SECRET, "--from", "0").slice(1)],
    { cwd: server.cwd },
  );
  const output = reader(child.stdout);
  await eventually(() => hook.taken.length === 3);
  expect(versions(hook.taken)).toEqual(["a@1<0", "a@2<1", "b@1<0"]);
  expect(hook.refused.map(({ id }) => id)).toEqual([hook.taken[1]?.id ?? "", hook.taken[1]?.id ?? ""]);
  expect(new Set(hook.taken.map(({ id }) => id)).size).toBe(3);
  await server.kilde(["append", "b", "Y"]);
  // Its answer has come as well.
  await output.until("204  4  b@2");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  await output.ended;
  expect(output.text()).toContain(`verify them with ${SECRET}\n`);
  expect(output.text()).toMatch(/^500 {2}2 {2}a@2 {2}X {2}\(\d+ ms\), attempt 1; again in \d+ ms$/m);
  expect(output.text()).toMatch(/^204 {2}4 {2}b@2 {2}Y {2}\(\d+ ms\)$/m);
  expect(await new Response(child.stderr).text()).toBe("");
});

test("kilde listen misses nothing while it is not running, whether it was stopped or killed", async () => {
  const server = await serve(emptyFolder());
  const hook = receiver();
  const listen = (...more: string[]) =>
    launch(
      ["listen", "--url", server.url, "--forward", hook.url, "--secret", SECRET, "--name", "dev", ...more],
      { cwd: server.cwd },
    );
  await server.kilde(["append", "a", "Before"]);
  // Starts after the existing events, which it does not forward, but before the first new event, which it does.
  const first = listen();
  await reader(first.stdout).until("from after position 1,");
  first.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  await server.kilde(["append", "a", "X"]);
  const second = listen();
  await eventually(() => hook.taken.length === 1);
  await eventually(async () => {
    const { stdout } = await server.kilde(["consumers", "--json"]);
    return (JSON.parse(stdout) as { committed: number }).committed === 2;
  });
  second.kill("SIGKILL");
  await second.exited;
  for (const type of ["Y", "Z"]) await server.kilde(["append", "a", type]);
  const third = listen();
  await eventually(() => hook.taken.length === 3);
  third.kill("SIGINT");
  expect(await third.exited).toBe(0);
  expect(hook.taken.map(({ event }) => event.type)).toEqual(["X", "Y", "Z"]);
  // And back to 0, with `--from 0`.
  const fourth = listen("--from", "1");
  await eventually(() => hook.taken.length === 6);
  fourth.kill("SIGTERM");
  await fourth.exited;
  expect(hook.taken.slice(3).map(({ id }) => id)).toEqual(hook.taken.slice(0, 3).map(({ id }) => id));
});

test("kilde listen sends the previous version within a selection, also after a restart", async () => {
  const server = await serve(emptyFolder());
  const secret = generateSecret("ed25519");
  const publicKey = publicKeyOf(parseSecret(secret)) ?? "";
  const hook = receiver(publicKey);
  const listen = () =>
    launch(listening(server.url, hook.url, secret, "--type", "X", "--type", "Z", "--prefix", "user-"), {
      cwd: server.cwd,
    });
  const first = listen();
  const output = reader(first.stdout);
  await output.until("Stop with");
  expect(output.text()).toContain(publicKey);
  expect(output.text()).not.toContain(secret);
  for (const [stream, type] of [
    ["user-1", "Y"],
    ["user-1", "X"],
    ["user-1", "Y"],
    ["user-1", "Z"],
    ["other-1", "X"],
  ] as const) {
    await server.kilde(["append", stream, type]);
  }
  await eventually(() => hook.taken.length === 2);
  first.kill("SIGTERM");
  await first.exited;
  for (const type of ["Y", "X"]) await server.kilde(["append", "user-1", type]);
  const second = listen();
  await eventually(() => hook.taken.length === 3);
  second.kill("SIGTERM");
  await second.exited;
  expect(versions(hook.taken)).toEqual(["user-1@2<0", "user-1@4<2", "user-1@6<4"]);
});

const FEED = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

export default defineConfig({
  feeds: [
    defineFeed({
      name: "names",
      version: 1,
      events: { X: z.object({ n: z.number() }) },
      contract: { Named: z.number() },
      publish: { X: ({ data }) => ({ type: "Named", data: data.n }) },
    }),
  ],
});
`;

test("kilde listen forwards a feed, with the cursor among the feed's consumers", async () => {
  const cwd = emptyFolder();
  await Bun.write(`${cwd}/kilde.config.ts`, FEED);
  const server = await serve(cwd);
  await server.kilde(["append", "a", "Other"]);
  await server.kilde(["append", "a", "X", '{"n":7}']);
  const hook = receiver();
  const child = launch(
    listening(server.url, hook.url, SECRET, "--source", "/feeds/names/v1", "--from", "0", "--type", "Named"),
    { cwd },
  );
  await reader(child.stdout).until("204  1  a@1");
  expect(hook.taken).toMatchObject([
    {
      id: expect.stringMatching(/^feeds-names-v1_listen_1_[0-9a-f]{16}$/) as string,
      event: { type: "Named", data: 7 },
    },
  ]);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  const { stdout } = await server.kilde(["consumers", "--feed", "names/v1", "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({ consumer: "listen", committed: 1 });
});

test("kilde listen waits for a receiver that is not there yet, and for a server that restarts", async () => {
  const cwd = emptyFolder();
  const server = await serve(cwd);
  const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = gone;
  await gone.stop(true);
  const child = launch(
    ["listen", "--url", server.url, "--forward", `http://127.0.0.1:${port}/`, "--secret", SECRET],
    { cwd },
  );
  const output = reader(child.stdout);
  await output.until("Stop with");
  await server.kilde(["append", "a", "X"]);
  await output.until("connection  1  a@1  X");
  const taken: string[] = [];
  servers.push(
    Bun.serve({
      port: Number(port),
      hostname: "127.0.0.1",
      async fetch(request) {
        const delivery = await receive(request, SECRET);
        if (delivery.kind === "events") taken.push(...delivery.events.map(({ type }) => type));
        return new Response();
      },
    }),
  );
  await eventually(() => taken.length === 1);
  await server.stop("SIGKILL");
  const again = await serve(cwd, ["--port", new URL(server.url).port]);
  await again.kilde(["append", "a", "Y"]);
  await eventually(() => taken.length === 2);
  expect(taken).toEqual(["X", "Y"]);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

test.each([
  [["--forward", "ftp://a.test/"], /forward: "ftp:\/\/a\.test\/" must be an http/],
  [["--forward", "http://a:b@localhost/"], /must not hold a user name/],
  [["--forward", "http://localhost/", "--secret", "whsec_short"], /secret: .*base64/],
  [["--forward", "http://localhost/", "--source", "/streams/a"], /must be the path of a log/],
  [["--forward", "http://localhost/", "--source", "/feeds/a%2"], /must be the path of a log/],
  [["--forward", "http://localhost/", "--source", "/feeds/a"], /a feed and its version/],
  [["--forward", "http://localhost/", "--from", "-1"], /whole number/],
  [[], /required option '--forward/],
])("kilde listen refuses %j", async (args, message) => {
  const { exitCode, stderr } = await run(["listen", ...args, "--url", "http://127.0.0.1:1"], {
    cwd: emptyFolder(),
  });
  expect(stderr).toMatch(message);
  expect(exitCode).toBe(2);
});

test("kilde listen reports a server that is not there as a mistake", async () => {
  const { exitCode, stderr } = await run(
    ["listen", "--forward", "http://localhost/", "--url", "http://127.0.0.1:1"],
    { cwd: emptyFolder() },
  );
  expect(stderr).toStartWith("kilde: No answer from http://127.0.0.1:1");
  expect(exitCode).toBe(4);
});
