import { afterEach, expect, test } from "bun:test";
import { receive } from "kilde/webhook";

import type { Subscription } from "../../src/client/subscription-types.ts";
import { TEST_SECRET_KEY } from "../support/app.ts";
import { SECRET } from "../webhooks/receive/support.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, jsonLines, run, serve, type Served } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

const servers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

/** A receiver that takes all events but those of type `Bad`; `fails`: none at all. */
function startReceiver(secrets: string[]) {
  const taken: string[] = [];
  const state = { fails: false, taken, headers: [] as (string | null)[] };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      state.headers.push(request.headers.get("x-tenant"));
      const delivery = await receive(request, secrets);
      if (state.fails) return new Response(null, { status: 503 });
      const events = delivery.kind === "events" ? delivery.events : [];
      if (events.some(({ type }) => type === "Bad")) return new Response(null, { status: 422 });
      taken.push(...events.map(({ subject, version }) => `${subject}@${version}`));
      return new Response(null, { status: 204 });
    },
  });
  servers.push(server);
  return { url: `http://127.0.0.1:${server.port}/hook`, state };
}

const start = () =>
  serve(emptyFolder(), [], {
    environment: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
  });

/** Runs `kilde webhooks …`, expects success, and returns the output. */
async function webhooks(server: Served, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await server.kilde(["webhooks", ...args]);
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
  return stdout;
}

test("the commands create, show, operate and remove a subscription", async () => {
  const server = await start();
  const { url, state } = startReceiver([SECRET]);
  for (const type of ["A", "A", "Bad", "A"]) await server.kilde(["append", "user-1", type]);
  const created = await webhooks(
    server,
    "create",
    "/events",
    url,
    "--from",
    "beginning",
    "--prefix",
    "user-",
    "--attempts",
    "1",
    "--header",
    "X-Tenant: t-7",
    "--secret",
    SECRET,
    "--description",
    "the cards",
  );
  expect(created).toContain(`verifies with (shown only now):\n${SECRET}\n`);
  const id = /^subscription +(sub_\w+)$/m.exec(created)?.[1] ?? "";
  await eventually(() => state.taken.length === 2);
  expect(new Set(state.headers)).toEqual(new Set(["t-7"]));

  await eventually(async () => (await webhooks(server, "blocked", id)).includes("user-1"));
  expect(await webhooks(server, "blocked", id)).toMatch(
    /^SUBJECT .*\nuser-1 +3 +1 +status 422 +by request +20.*Z\n$/,
  );
  const shown = await webhooks(server, "show", id);
  expect(shown).toMatch(/^description +the cards$/m);
  expect(shown).toMatch(/^delivery +single; 64 at a time; tried 1 times$/m);
  expect(shown).toMatch(/^headers +X-Tenant$/m);
  expect(shown).toMatch(/^status +failing \(blocked subjects\), since /m);
  expect(shown).toMatch(/^blocked +1 subjects/m);
  for (const hidden of [SECRET, "t-7"]) expect(shown).not.toContain(hidden);

  expect(await webhooks(server, "retry", id, "user-1")).toBe("user-1 is tried again.\n");
  await eventually(async () => {
    const [blocked] = jsonLines<{ attempts: number }>(await webhooks(server, "blocked", id, "--json"));
    return blocked?.attempts === 2;
  });
  const wrong = await server.kilde(["webhooks", "skip", id, "user-1", "--sequence", "2"]);
  expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("another event than 2") });
  expect(await webhooks(server, "skip", id, "user-1", "--sequence", "3")).toStartWith(
    "Event 3 of user-1 is skipped;",
  );
  await eventually(() => state.taken.length === 3);
  expect(await webhooks(server, "skips", id)).toMatch(/\n20\S+Z +user-1 +3 +2 +status 422\n$/);
  expect(await webhooks(server, "attempts", id)).toMatch(
    /\n20\S+Z +status 422 +\d+ +user-1 +sub_\w+_3_[0-9a-f]{16}\n/,
  );

  expect(await webhooks(server, "rewind", id, "--dry-run")).toBe(
    "4 events of 1 subjects would be delivered again.\n",
  );
  expect(await webhooks(server, "rewind", id, "--subject", "user-1", "--after", "1", "--up-to", "2")).toBe(
    "1 events of 1 subjects are delivered again.\n",
  );
  await eventually(() => state.taken.length === 4);
  expect(state.taken).toEqual(["user-1@1", "user-1@2", "user-1@4", "user-1@2"]);

  expect(await webhooks(server, "pause", id, "--reason", "moving")).toBe(
    `${id} is paused (moving), at position 4.\n`,
  );
  expect(await webhooks(server)).toMatch(
    new RegExp(
      `^SUBSCRIPTION .*\\n${id} +single +0 events, 0 s +0 +/events +${url} +paused \\(moving\\)\\n$`,
    ),
  );
  expect(await webhooks(server, "resume", id)).toBe(`${id} is active, at position 4.\n`);
  expect(await webhooks(server, "delete", id)).toBe(`${id} is deleted.\n`);
  expect(jsonLines(await webhooks(server, "list", "--json"))).toEqual([]);
});

test("update changes the stated members only, and --json prints the whole subscription", async () => {
  const server = await start();
  const json = async (...args: string[]) =>
    JSON.parse(await webhooks(server, ...args, "--json")) as Subscription & { secret: string };
  const { subscription: id, secret } = await json(
    "create",
    "/events",
    "https://example.org/hook",
    "--from",
    "2020-01-01T00:00:00Z",
    "--type",
    "A",
    "--type",
    "B",
    "--mode",
    "batch",
    "--batch-events",
    "7",
    "--header",
    "X-A: a: b",
  );
  expect(secret).toStartWith("whsec_");
  expect(await json("show", id)).toMatchObject({
    types: ["A", "B"],
    mode: "batch",
    batch: { events: 7, bytes: 1_048_576 },
    headers: ["X-A"],
  });
  expect(await json("change", id, "--batch-bytes", "900", "--to", "https://example.org/2")).toMatchObject({
    url: "https://example.org/2",
    batch: { events: 7, bytes: 900 },
    types: ["A", "B"],
  });
  expect(
    await json("change", id, "--all-types", "--no-headers", "--attempts", "3", "--mode", "doorbell"),
  ).toMatchObject({ types: null, headers: [], attempts: 3, mode: "doorbell" });
  expect(await json("change", id, "--attempts", "unlimited", "--handshake", "none")).toMatchObject({
    attempts: null,
    handshake: null,
    headers: [],
  });
  const rotated = await json("rotate-secret", id, "--overlap", "60");
  expect(rotated.secret).toStartWith("whsec_");
  expect(rotated.secret).not.toBe(secret);
  const pair = await webhooks(server, "create", "/events", "https://example.org/hook", "--ed25519");
  expect(pair).toMatch(/its public key\):\nwhpk_/);
  expect(pair).not.toContain("whsk_");
});

test("test reports the result of the delivery, also by the exit code", async () => {
  const server = await start();
  const { url, state } = startReceiver([SECRET]);
  const created = await webhooks(server, "create", "/events", url, "--secret", SECRET, "--json");
  const { subscription: id } = JSON.parse(created) as Subscription;
  expect(await webhooks(server, "test", id)).toMatch(/^sub_\w+_test_\d+ was acknowledged \(\d+ ms\)\.\n$/);
  state.fails = true;
  const failed = await server.kilde(["webhooks", "test", id]);
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toMatch(/did not acknowledge sub_\w+: status 503 \(\d+ ms\)/);
  const asJson = await server.kilde(["webhooks", "test", id, "--json"]);
  expect(asJson.exitCode).toBe(1);
  expect(JSON.parse(asJson.stdout)).toMatchObject({ acknowledged: false, error: "status 503" });
});

test("a refusal of the server is printed with its remedy", async () => {
  const server = await start();
  for (const [args, message] of [
    [["create", "/events", "http://10.0.0.1/"], /url: must not be a private/],
    [["create", "/feeds/none/v1", "https://example.org/"], /no log \/feeds\/none\/v1/],
    [["create", "/events", "https://example.org/", "--header", "Host: a"], /set by the sender/],
    [["create", "/events", "https://example.org/", "--from", "7"], /position is 7/],
    [["show", "sub_none"], /no subscription "sub_none"/],
    [["change", "sub_none", "--to", "https://example.org/"], /no subscription/],
  ] as const) {
    const { exitCode, stderr } = await server.kilde(["webhooks", ...args]);
    expect(stderr).toMatch(message);
    expect(exitCode).toBeOneOf([1, 2]);
  }
  const keyless = await serve(emptyFolder());
  const { exitCode, stderr } = await keyless.kilde(["webhooks", "create", "/events", "https://example.org/"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("KILDE_SECRET_KEYS=k1:");
});

test.each([
  [["create", "/events"], /missing required argument 'endpoint'/],
  [["create", "/events", "https://a.test/", "--from", "yesterday"], /must be "beginning", "now", a position/],
  [
    ["create", "/events", "https://a.test/", "--mode", "burst"],
    /Allowed choices are single, batch, doorbell/,
  ],
  [["create", "/events", "https://a.test/", "--header", "secret"], /must be a header: "Name: value"/],
  [["create", "/events", "https://a.test/", "--attempts", "few"], /whole number/],
  [["change", "sub_1"], /No setting was stated/],
  [["rewind", "sub_1", "--after", "-1"], /whole number/],
  [["skip", "sub_1"], /missing required argument 'subject'/],
  [["burst"], /unknown command|too many arguments/],
])("kilde webhooks refuses %j without asking the server", async (args, message) => {
  const { exitCode, stderr } = await run(["webhooks", ...args, "--url", "http://127.0.0.1:1"], {
    cwd: emptyFolder(),
  });
  expect(stderr).toMatch(message);
  expect(exitCode).toBe(2);
});
