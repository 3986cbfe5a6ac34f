import { expect, test } from "bun:test";
import { join } from "node:path";

import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, databaseOf, emptyFolder, jsonLines, run, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

const events = { Submitted: z.object({ amount: z.number() }), Paid: z.object({ amount: z.number() }) };
const v1 = defineFeed({
  name: "declarations",
  version: 1,
  source: { streams: "declaration-" },
  events,
  contract: { DeclarationPaid: z.object({ amount: z.number(), currency: z.string() }) },
  publish: { Paid: ({ data }) => ({ type: "DeclarationPaid", data: { amount: data.amount, currency: "EUR" } }) },
});
const v2 = defineFeed({
  name: "declarations",
  version: 2,
  source: { streams: "declaration-" },
  events,
  contract: {
    DeclarationSubmitted: z.object({ cents: z.int() }),
    DeclarationPaid: z.object({ cents: z.int(), currency: z.string() }),
  },
  publish: {
    Submitted: ({ data }) => ({ type: "DeclarationSubmitted", data: { cents: data.amount * 100 } }),
    Paid: ({ data }) => ({ type: "DeclarationPaid", data: { cents: data.amount * 100, currency: "EUR" } }),
  },
});
const paid = defineFeed({
  name: "paid",
  version: 1,
  source: { feed: "declarations", version: 2 },
  events: { DeclarationPaid: z.object({ cents: z.int() }) },
  contract: { Paid: z.int() },
  subject: () => "all",
  publish: { DeclarationPaid: ({ data }) => ({ type: "Paid", data: data.cents }) },
});
const late = defineFeed({
  name: "late",
  version: 1,
  events: { Paid: z.object({ amount: z.number() }) },
  contract: { Late: z.string() },
  publish: { Paid: () => ({ type: "Late", data: new Date().toISOString() }) },
});
export default defineConfig({ feeds: [v1, v2, paid] });
export { late };
`;

const FIXTURES = `{"stream":"declaration-1","type":"Submitted","data":{"amount":12.5}}
{"stream":"trip-1","type":"Paid","data":{"amount":1}}

{"stream":"declaration-1","type":"Paid","data":{"amount":12.5},"time":"2026-02-01T00:00:00Z"}
`;

async function project(config = CONFIG): Promise<string> {
  const cwd = emptyFolder();
  await Bun.write(join(cwd, "kilde.config.ts"), config);
  await Bun.write(join(cwd, "events.ndjson"), FIXTURES);
  return cwd;
}

const overFixtures = ["--fixtures", "events.ndjson"];

test("feeds test prints what the last version would publish", async () => {
  const cwd = await project();
  const { stdout, stderr, exitCode } = await run(["feeds", "test", "declarations", ...overFixtures], { cwd });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toBe(
    `1  declaration-1@1  Submitted
  → DeclarationSubmitted  declaration-1@1
    {"cents":1250}
2  trip-1@1  Paid
  (nothing)
3  declaration-1@2  Paid
  → DeclarationPaid  declaration-1@2
    {"cents":1250,"currency":"EUR"}
/feeds/declarations/v2 would publish 2 for 3 events read
`,
  );
});

test("feeds test takes a version, standard input, and prints JSON", async () => {
  const cwd = await project();
  const args = ["feeds", "test", "declarations", "--version", "v1", "--fixtures", "-", "--json"];
  const { stdout } = await run(args, { cwd, stdin: FIXTURES });
  expect(jsonLines(stdout)).toEqual([
    {
      type: "DeclarationPaid",
      subject: "declaration-1",
      version: 1,
      time: "2026-02-01T00:00:00Z",
      data: { amount: 12.5, currency: "EUR" },
      projectedFrom: 3,
    },
  ]);
});

test("feeds test goes through the feed that a feed is projected from", async () => {
  const cwd = await project();
  const { stdout } = await run(["feeds", "test", "paid", ...overFixtures, "--json"], { cwd });
  expect(jsonLines(stdout)).toMatchObject([{ type: "Paid", subject: "all", data: 1250 }]);
});

test("feeds test reports the event at which the feed would halt", async () => {
  const cwd = await project(CONFIG.replace("feeds: [v1", "feeds: [late, v1"));
  const { stderr, exitCode } = await run(["feeds", "test", "late", ...overFixtures], { cwd });
  expect(exitCode).toBe(1);
  expect(stderr).toContain('/feeds/late/v1 would halt at event 2 (subject "trip-1")');
  expect(stderr).toContain("used new Date() without arguments: use `event.time`");
});

test.each<[string[], RegExp]>([
  [["declarations"], /--fixtures <file>, or --stream <name>/],
  [["declarations", "--stream", "a", ...overFixtures], /--fixtures <file>, or --stream <name>/],
  [["declaration", ...overFixtures], /no feed declaration\n.*declarations\/v1, declarations\/v2, paid\/v1/],
  [["declarations", "--version", "3", ...overFixtures], /no feed declarations\/v3/],
  [["declarations", "--version", "x", ...overFixtures], /must be a version/],
  [["declarations", "--fixtures", "none.ndjson"], /no file none\.ndjson/],
  [["declarations", "--fixtures", "kilde.config.ts"], /line 2: /],
])("feeds test %j is refused", async (args, message) => {
  const { stderr, exitCode } = await run(["feeds", "test", ...args], { cwd: await project() });
  expect(stderr).toMatch(message);
  expect(exitCode).toBe(2);
});

test("feeds test reports every fault of the definitions", async () => {
  const cwd = await project(CONFIG.replace("version: 2,", "version: 2, successor: 1, sucessor: 3,"));
  const { stderr, exitCode } = await run(["feeds", "test", "declarations", ...overFixtures], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain("feeds: declarations/v2: sucessor: there is no such member");
});

test("feeds test and diff report the events that a stream would publish, and the differences of two versions of a subject", async () => {
  const server = await serve(await project());
  expect((await server.kilde(["import", "events.ndjson"])).exitCode).toBe(0);

  const tested = await server.kilde(["feeds", "test", "declarations", "--stream", "declaration-1", "--json"]);
  expect(jsonLines(tested.stdout)).toMatchObject([
    { type: "DeclarationSubmitted", version: 1, projectedFrom: 1 },
    { type: "DeclarationPaid", version: 2, projectedFrom: 3 },
  ]);

  const diff = await server.kilde(["feeds", "diff", "declarations", "v1", "2", "--subject", "declaration-1"]);
  expect(diff.stderr).toBe("");
  expect(diff.stdout).toBe(
    `declaration-1  declarations/v1     declarations/v2
event 1        (nothing)           DeclarationSubmitted @1
event 3        DeclarationPaid @1  DeclarationPaid @2
  /amount      12.5                –
  /cents       –                   1250
`,
  );
  const json = await server.kilde([
    "feeds",
    "diff",
    "declarations",
    "1",
    "2",
    "--subject",
    "declaration-1",
    "--json",
  ]);
  expect(jsonLines(json.stdout)).toMatchObject([
    { projectedFrom: 1, left: null, right: { type: "DeclarationSubmitted" } },
    {
      projectedFrom: 3,
      differences: [
        { pointer: "/amount", left: 12.5 },
        { pointer: "/cents", right: 1250 },
      ],
    },
  ]);
  const none = await server.kilde(["feeds", "diff", "none", "1", "2", "--subject", "declaration-1"]);
  expect(none.exitCode).not.toBe(0);
  // Both versions are looked up at the same time.
  expect(none.stderr).toMatch(/\/feeds\/none\/v[12]/);

  const asyncapi = (await (await fetch(`${server.url}/asyncapi.json`)).json()) as Record<string, unknown>;
  expect(asyncapi).toMatchObject({
    asyncapi: "3.0.0",
    servers: { kilde: { host: new URL(server.url).host } },
    channels: { "declarations.v1": {}, "declarations.v2": {}, "paid.v1": {} },
  });
});

test("serve refuses a published contract that has changed otherwise than by growing", async () => {
  const cwd = await project();
  // The contract is that of the published version, and not the one a server was started with.
  const { kilde, stop } = await serve(cwd);
  await kilde(["import", "events.ndjson"]);
  const live = async () =>
    jsonLines<{ status: string; head: number }>((await kilde(["feeds", "--json"])).stdout).some(
      ({ status, head }) => status === "live" && head > 0,
    );
  await eventually(live);
  expect((await stop()).exitCode).toBe(0);
  await Bun.write(join(cwd, "kilde.config.ts"), CONFIG.replaceAll("currency", "coin"));
  const environment = await databaseOf(cwd);
  const { exitCode, stderr } = await run(["serve", "--port", "0"], { cwd, environment });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(
    "DeclarationPaid /properties/currency: is not published any more (member-removed: a member that was published stays)",
  );
  expect(stderr).toContain("make it in a new version, such as 2, beside this one");
  await Bun.write(join(cwd, "kilde.config.ts"), CONFIG);
  expect((await (await serve(cwd)).stop()).exitCode).toBe(0);
});

test("feeds lists the server's versions; retire and resume print the new state", async () => {
  const cwd = await project();
  const { kilde } = await serve(cwd);
  await kilde(["import", "events.ndjson"]);
  const listed = async () => {
    const { stdout } = await kilde(["feeds", "--json"]);
    return jsonLines<{ feed: string; version: number; status: string; head: number }>(stdout);
  };
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await listed()).every(({ feed, status }) => feed === "late" || status === "live")) break;
    await Bun.sleep(50);
  }
  expect(await listed()).toContainEqual(
    expect.objectContaining({ feed: "declarations", version: 2, status: "live", head: 2 }),
  );
  const { stdout } = await kilde(["feeds", "list"]);
  expect(stdout).toContain("FEED");
  expect(stdout).toMatch(/declarations\/v1 +live +1 +0 events, 0 s/);

  const resumed = await kilde(["feeds", "resume", "declarations", "v1"]);
  expect(resumed.stdout).toBe("declarations/v1 is live.\n");
  const source = await kilde(["feeds", "retire", "declarations", "v2"]);
  expect(source).toMatchObject({ exitCode: 1, stdout: "" });
  expect(source.stderr).toContain("is the source of /feeds/paid/v1");
  const retired = await kilde(["feeds", "retire", "declarations", "v1"]);
  expect(retired.stdout).toStartWith("declarations/v1 is retired.");
  const rebuilt = await kilde(["feeds", "rebuild", "declarations", "v2"]);
  expect(rebuilt.stderr).toContain("is published");
});

test("read, follow and export take a feed, under a name that consumers lists", async () => {
  const { kilde } = await serve(await project());
  await kilde(["import", "events.ndjson"]);
  const subject = ["--feed", "declarations/v2", "declaration-1", "--consumer", "cards"];
  const read = await kilde(["read", ...subject]);
  expect(jsonLines(read.stdout)).toMatchObject([
    { type: "DeclarationSubmitted", source: "/feeds/declarations/v2", sequence: "0000000000000001" },
    { type: "DeclarationPaid" },
  ]);
  await kilde(["read", "--feed", "declarations/v2", "--consumer", "cards"]);
  const listed = await kilde(["consumers", "--feed", "declarations/v2", "--json"]);
  expect(jsonLines(listed.stdout)).toMatchObject([{ consumer: "cards", committed: null, sent: 2 }]);
  const table = await kilde(["consumers", "--feed", "declarations/v2"]);
  expect(table.stdout).toMatch(
    /^STATE +COMMITTED +SENT +LAG .*CONSUMER\nkeeps up +- +2 +0 events, 0 s .* cards\n$/,
  );
  const exported = await kilde(["export", "-", "--feed", "declarations/v2"]);
  expect(jsonLines(exported.stdout)).toHaveLength(2);
  expect((await kilde(["read", "--feed", "declarations"])).exitCode).toBe(2);
});

test("types are printed as TypeScript that compiles and matches the published types", async () => {
  const folder = emptyFolder();
  await Bun.write(join(folder, "kilde.config.ts"), CONFIG);
  const server = await serve(folder, ["--no-access-log"]);
  const { stdout, exitCode } = await server.kilde(["feeds", "types", "declarations", "v2"]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('import { feed } from "kilde/consumer";');
  expect(stdout).toContain("  DeclarationPaid: {\n    cents: number;\n    currency: string;\n  };");
  expect(stdout).toContain('("declarations/v2");');
  // It runs: the imported modules exist.
  const code = new Bun.Transpiler({ loader: "ts" }).transformSync(stdout);
  expect(code).toContain("export const declarationsV2 = feed(");
  expect((await server.kilde(["feeds", "types", "unknown", "v1"])).exitCode).not.toBe(0);
});
