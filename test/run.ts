import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

import { Glob } from "bun";

import { declaredIn } from "./support/declaration.ts";
import type { TestedOn } from "./support/tested-on.ts";

/*
 * Runs a suite: `bun test/run.ts SUITE [FILE OR FOLDER…] [OPTIONS OF BUN TEST…]`. The suffix of a file and the places
 * that the file declares select it, so that no suite lists files.
 */

interface Suite {
  readonly selects: (file: string, on: readonly TestedOn[]) => boolean;
  /** Duration on two idle cores, where somebody waits for it. */
  readonly usually?: string;
  /** Files that run at a time: those of slow suites measure, or use all cores themselves. */
  readonly processes: number;
  readonly timeoutMs: number;
  readonly environment: Readonly<Record<string, string>>;
}

const ROOT = join(import.meta.dir, "..");

/** Durations of past runs: bun starts the slowest files first. */
const TIMINGS = join(ROOT, "node_modules/.cache/kilde/test-timings.json");

/** An idle machine needs a tenth of it; a busy one must not fail tests. */
const TIMEOUT_MS = 60_000;
const SLOW_TIMEOUT_MS = 300_000;

/**
 * One more than there are cores, since tests wait for a quarter of their time. More than four would only compete for the
 * disk.
 */
const PROCESSES = Math.min(4, availableParallelism() + 1);

const isTechnique = (file: string, technique: string) => file.endsWith(`.${technique}.test.ts`);

/** Techniques whose files are not in the fast suite. */
const SEPARATE = ["slow", "fuzz", "browser"];

const SUITES: Readonly<Record<string, Suite>> = {
  fast: {
    selects: (file, on) =>
      SEPARATE.every((technique) => !isTechnique(file, technique)) && on.includes("process"),
    usually: "4 minutes",
    processes: PROCESSES,
    timeoutMs: TIMEOUT_MS,
    environment: {},
  },
  slow: {
    selects: (file, on) => isTechnique(file, "slow") && on.includes("process"),
    processes: 1,
    timeoutMs: SLOW_TIMEOUT_MS,
    environment: {},
  },
  fuzz: {
    selects: (file) => isTechnique(file, "fuzz"),
    processes: 1,
    timeoutMs: SLOW_TIMEOUT_MS,
    environment: {},
  },
  browser: {
    selects: (file) => isTechnique(file, "browser"),
    usually: "2 minutes",
    // One Chromium at a time.
    processes: 1,
    timeoutMs: TIMEOUT_MS,
    environment: {},
  },
  simulation: {
    selects: (file) => isTechnique(file, "simulation"),
    processes: 1,
    timeoutMs: SLOW_TIMEOUT_MS,
    environment: { KILDE_SIMULATION_SEEDS: "100", KILDE_SIMULATION_SWARM: "10000" },
  },
  sqld: {
    selects: (_, on) => on.includes("sqld"),
    processes: 1,
    timeoutMs: SLOW_TIMEOUT_MS,
    environment: {
      KILDE_TEST_ON: "sqld",
      PROPERTY_RUNS: "10",
      KILDE_SIMULATION_SEEDS: "5",
      KILDE_SIMULATION_SWARM: "100",
    },
  },
  worker: {
    selects: (_, on) => on.includes("worker"),
    processes: 1,
    timeoutMs: SLOW_TIMEOUT_MS,
    environment: { KILDE_TEST_ON: "worker" },
  },
};

function filesOf({ selects }: Suite, paths: readonly string[]): string[] {
  const all = [...new Glob("test/**/*.test.ts").scanSync(ROOT)].toSorted();
  return all.filter(
    (file) =>
      selects(file, declaredIn(file, readFileSync(join(ROOT, file), "utf8"))) &&
      (paths.length === 0 || paths.some((path) => file.startsWith(path.replace(/^\.\//, "")))),
  );
}

const [name = "", ...rest] = process.argv.slice(2);
const suite = SUITES[name];
if (suite === undefined) throw new Error(`The suites are ${Object.keys(SUITES).join(", ")}`);
const paths = rest.filter((argument) => /^(\.\/)?test\//.test(argument));
const options = rest.filter((argument) => !paths.includes(argument));
const files = filesOf(suite, paths);
if (files.length === 0) throw new Error(`The suite ${name} has no file in ${paths.join(", ")}`);

if (paths.length === 0 && suite.usually !== undefined)
  console.log(`${files.length} files. This usually takes ${suite.usually} on two idle cores.`);
await mkdir(dirname(TIMINGS), { recursive: true });
const parallel = suite.processes > 1 && files.length > 1 ? [`--parallel=${suite.processes}`] : [];
const recorded = parallel.length > 0 ? ["--timings", TIMINGS, "--update-timings"] : [];
const run = Bun.spawn(
  [
    process.execPath,
    "test",
    "--timeout",
    String(suite.timeoutMs),
    ...parallel,
    ...recorded,
    ...options,
    ...files.map((file) => `./${file}`),
  ],
  {
    cwd: ROOT,
    env: { ...suite.environment, ...process.env },
    stdio: ["inherit", "inherit", "inherit"],
  },
);
process.exitCode = await run.exited;
