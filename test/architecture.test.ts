import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { Glob } from "bun";

const SOURCE = join(import.meta.dir, "../src");

/** Parts and files that each part may import, besides itself. Dependencies point one way: from the last to the first. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  jobs: ["core"],
  storage: ["core", "jobs"],
  access: ["core", "storage"],
  log: ["core", "jobs", "storage"],
  administration: ["core", "jobs", "storage", "log"],
  // Retiring and emptying a feed notify the deliveries of its log.
  feeds: ["core", "jobs", "storage", "log", "administration", "webhooks/subscriptions/source-log.ts"],
  webhooks: ["core", "jobs", "storage", "access", "log", "administration"],
  backup: ["core", "storage", "access", "log", "administration", "feeds", "webhooks"],
  doctor: ["core", "storage", "access", "log", "administration", "feeds", "webhooks"],
  http: ["core", "jobs", "storage", "access", "log", "administration", "feeds", "webhooks"],
  client: ["core"],
  consumer: ["core", "client"],
  decider: ["core", "client"],
  config: ["core", "access", "feeds", "webhooks", "index.ts"],
  runtime: [
    "core",
    "jobs",
    "storage",
    "access",
    "log",
    "administration",
    "feeds",
    "webhooks",
    "http",
    "config",
    "docs",
    "console",
  ],
  docs: [],
  // A client like any other, which runs in browsers.
  console: ["core", "client"],
  embed: ["core", "access", "feeds", "http", "client", "config", "runtime"],
  cli: [
    "core",
    "storage",
    "access",
    "log",
    "administration",
    "feeds",
    "webhooks",
    "backup",
    "doctor",
    "client",
    "config",
    "runtime",
  ],
  // Plain Node, where nothing else of Kilde is installed.
  launcher: [],
  build: ["core", "administration", "config", "http", "cli", "docs", "console", "launcher"],
};

/** Time, random numbers and the environment are parameters; only these files use the real ones. */
const ROOTS =
  /^(runtime|build|launcher|docs\/site\/render-site\.ts|console\/site\/bundle-console\.ts|console\/start\.tsx|storage\/writer|cli|main\.ts|worker\.ts|core\/(timer|runtime-clock|system-clock)\.ts|client\/index\.ts|(consumer|decider)\/index\.ts)/;
const AMBIENT = /\bDate\.now\(|\bMath\.random\(|\bset(Timeout|Interval|Immediate)\(|\bprocess\.env\b|\bBun\./;

/** Calls that start a timer. The runtime's timers fire at once for long waits, so one file splits such waits. */
const TIMER =
  /\bset(?:Timeout|Interval)\b(?!")|\bBun\.sleep|\bAbortSignal\.timeout\b|\btimers\/promises\b|\bscheduler\b|\.setTimeout\(/;
const TIMER_FILE = "core/timer.ts";

/** The wall clock is corrected at any time, so only files that store, show, sign or compare dates read it. */
const WALL_CLOCK = /\bclock\.now\(\)|\b[sS]ystemClock\.now\(\)/;
const READS_WALL_CLOCK = [
  // Expiry, and the times of creation, revocation and last use.
  "access/access.ts",
  "access/cookie-seal.ts",
  "access/jwt.ts",
  "access/key-grants.ts",
  "access/key-memory.ts",
  "access/keys.ts",
  "access/last-uses.ts",
  "access/sessions.ts",
  "cli/keys-change.ts",
  "cli/keys-store.ts",
  "http/keys/handlers.ts",
  // Revoke keys of a restored copy.
  "cli/identity.ts",
  "cli/replaced-history.ts",
  // Signs with it.
  "cli/forward.ts",
  // Compares it with dates in answers.
  "cli/server.ts",
  // Show the time of an event, or a due time.
  "consumer/blocked.ts",
  "consumer/deliver.ts",
  "feeds/project/projector-state.ts",
  "feeds/lifecycle/status.ts",
  "http/subscriptions/metrics.ts",
  "jobs/loop.ts",
  // Store times, or compare them with stored times.
  "webhooks/dispatch/pause.ts",
  "webhooks/subscriptions/deliver-test.ts",
  "webhooks/subscriptions/create-subscription.ts",
  "webhooks/subscriptions/reconfigure.ts",
  "webhooks/subscriptions/redelivery.ts",
  "webhooks/subscriptions/subscriptions.ts",
  "feeds/lifecycle/clear.ts",
  "feeds/lifecycle/register.ts",
  "feeds/lifecycle/retire.ts",
  "http/consumers/metrics.ts",
  "http/consumers/consumers.ts",
  "http/overview/facts.ts",
  "http/overview/overview.ts",
  "http/service/service.ts",
  "log/append/commit-queue.ts",
  "log/append/writer.ts",
  // Store times of entries about administration, or compare them.
  "cli/operations.ts",
  "administration/denials.ts",
  "administration/expiry.ts",
  "backup/renew-identities.ts",
  "feeds/contract/definition-record.ts",
  "feeds/feeds.ts",
  "feeds/project/maintenance.ts",
  "feeds/project/projector-batch.ts",
  "log/key-expiry.ts",
  "log/consumers/activity.ts",
  "log/consumers/consumer-pages.ts",
  "log/consumers/lag-history.ts",
  // Secrets are replaced at a stored time.
  "runtime/threads/deliveries.ts",
  "runtime/worker/deliveries.ts",
  // Measures how far the wall clock is from an even run.
  "webhooks/dispatch/subscription-job.ts",
  "webhooks/dispatch/sender.ts",
  // Have a steady clock, which `webhooks/dispatch/subscription-job.ts` makes.
  "webhooks/endpoint/wake-up.ts",
  "webhooks/dispatch/dispatcher.ts",
  "webhooks/dispatch/last-answers.ts",
  "webhooks/dispatch/event-deliveries.ts",
  "webhooks/dispatch/progress-saver.ts",
];

/** Functions that Node 20.3 does not have, which only programs of Bun may call: the server, its threads and commands, and builds. */
const AFTER_NODE_20 =
  /\bURL\.parse\(|\bPromise\.(?:withResolvers|try)[(<]|\bArray\.fromAsync\(|\b(?:Object|Map)\.groupBy\(|\.(?:values|keys|entries)\(\)\.(?:map|filter|take|drop|toArray|some|every|find|reduce|flatMap|forEach)\(|\.(?:difference|intersection|symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)\(|(?<!\bz\s*)\.union\(/;
const ONLY_IN_BUN = /^(runtime\/(server|threads)|storage\/writer|cli|build|docs|console)\/|^main\.ts$/;

/** Longest function, in lines. */
const MOST_LINES = 80;

/** Longer functions: factories, whose inner functions share state, and tables. */
const LONG_FUNCTIONS: readonly string[] = ["log/append/commit-queue.ts createCommitQueue"];

/**
 * First line of a function that has a name: a declaration, a method, or an arrow function in a constant, whose parameters may
 * take more lines.
 */
const FUNCTION_START =
  /^(\s*)(?:(?:export |default |async )*function\*? (\w+)|(?:export )?const (\w+)(?:: [^=]+)? = (?:async )?(?:<[^>]*>)?\((?:.*=> \{|\{?)$|(?:static |async |get |set |\*)*(?!if\b|for\b|while\b|switch\b|catch\b|with\b)(#?\w+)\(.*\{$)/;

const files = [...new Glob("**/*.{ts,tsx}").scanSync(SOURCE)].filter((file) => !file.endsWith(".d.ts"));

function partOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].flatMap(([, specifier]) => {
    const target = relative(SOURCE, join(SOURCE, dirname(file), specifier ?? ""));
    return target.startsWith("..") ? [] : [target];
  });
}

test("every part imports only what it may", () => {
  const wrong = files.flatMap((file) => {
    const allowed = MAY_IMPORT[partOf(file)];
    if (allowed === undefined) return file.includes("/") ? [`${file}: unknown part`] : [];
    return importsOf(file)
      .filter((target) => ![partOf(file), ...allowed].includes(partOf(target)) && !allowed.includes(target))
      .map((target) => `${file} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test("time, chance and surroundings are parameters outside of the roots", () => {
  const wrong = files.filter(
    (file) => !ROOTS.test(file) && AMBIENT.test(readFileSync(join(SOURCE, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});

test("only one file starts timers", () => {
  const starting = files.filter((file) => TIMER.test(readFileSync(join(SOURCE, file), "utf8")));
  expect(starting).toEqual([TIMER_FILE]);
});

test("only files that need a date read the wall clock", () => {
  const reading = files.filter((file) => WALL_CLOCK.test(readFileSync(join(SOURCE, file), "utf8")));
  expect(reading.toSorted()).toEqual(READS_WALL_CLOCK.toSorted());
});

test("code that may run in Node 20.3 uses nothing that it lacks", () => {
  const wrong = files.filter(
    (file) => !ONLY_IN_BUN.test(file) && AFTER_NODE_20.test(readFileSync(join(SOURCE, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});

test("files stay small", () => {
  const large = files.filter((file) => readFileSync(join(SOURCE, file), "utf8").split("\n").length > 300);
  expect(large).toEqual([]);
});

test("no two exported types have the same name", () => {
  const places = new Map<string, string[]>();
  for (const file of files) {
    const text = readFileSync(join(SOURCE, file), "utf8");
    for (const [, name = ""] of text.matchAll(
      /^export (?:abstract )?(?:interface|type|class|enum) (\w+)/gm,
    )) {
      places.set(name, [...(places.get(name) ?? []), file]);
    }
  }
  const repeated = [...places].filter(([, found]) => found.length > 1);
  expect(repeated).toEqual([]);
});

/** Functions of a formatted file that exceed the limit: a function ends where its closing brace has its indentation. */
function longFunctions(file: string): string[] {
  const lines = readFileSync(join(SOURCE, file), "utf8").split("\n");
  return lines.flatMap((line, start) => {
    const found = FUNCTION_START.exec(line);
    if (found === null) return [];
    const [, indent = "", declared, assigned, method] = found;
    const length = lines
      .slice(start)
      .findIndex((end) => end.startsWith(`${indent}}`) && /^\s*\}[;,)]*$/.test(end));
    return length + 1 > MOST_LINES ? [`${file} ${declared ?? assigned ?? method}`] : [];
  });
}

test("functions fit a screen", () => {
  expect(files.flatMap(longFunctions).toSorted()).toEqual([...LONG_FUNCTIONS]);
});
