import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";

import type { BunPlugin } from "bun";
import { build as esbuild } from "esbuild";
import { parse } from "jsonc-parser";
import { Miniflare } from "miniflare";

import type { KildeConfig, WorkerOptions } from "../../src/worker.ts";

const ROOT = join(import.meta.dir, "../..");

/** A worker in a real workerd, as Cloudflare runs it. */
export interface RunningWorker {
  readonly url: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Has the schedule call, and resolves when that is through. */
  scheduled(): Promise<void>;
  /** Kills it, whatever it is doing. */
  stop(): Promise<void>;
}

interface Scheduled {
  scheduled(options: { readonly cron: string }): Promise<{ readonly outcome: string }>;
}

export interface WorkerUnderTest {
  /** Null: none but those of the tenants. */
  readonly databaseUrl: string | null;
  readonly tenants?: KildeConfig["tenants"];
  /** Further settings, by their names in the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly options?: WorkerOptions;
  /** Whether what it logs is left out of the tests' output. */
  readonly quiet?: boolean;
  /** The module with the configuration; null: none. */
  readonly config?: string | null;
}

/** As the example is deployed. */
const {
  main: MAIN,
  minify: MINIFY,
  compatibility_date: COMPATIBILITY_DATE,
  compatibility_flags: COMPATIBILITY_FLAGS,
} = parse(readFileSync(join(ROOT, "test/examples/worker/wrangler.jsonc"), "utf8")) as {
  readonly main: string;
  readonly minify: boolean;
  readonly compatibility_date: string;
  readonly compatibility_flags: string[];
};

function discard(...streams: readonly Readable[]): void {
  for (const stream of streams) stream.resume();
}

/** The runtime has it; for a browser, Bun's bundler would put something else in its place. */
const runtimeCrypto: BunPlugin = {
  name: "runtime-crypto",
  setup(build) {
    build.onResolve({ filter: /^node:crypto$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** Bundles a module of a worker as a deployment does, minified. */
export async function bundleWorker(entry: string, source?: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    conditions: ["workerd", "worker"],
    format: "esm",
    minify: true,
    plugins: [runtimeCrypto],
    ...(source === undefined ? {} : { files: { [entry]: source } }),
  });
  const [output] = outputs;
  if (output === undefined || outputs.length > 1) throw new Error(`${entry} is not one file`);
  return output.text();
}

/**
 * Bundles the example from the published library with esbuild and the settings of its `wrangler.jsonc`, as
 * `wrangler deploy` does.
 */
export async function deployedBundle(folder: string): Promise<Uint8Array> {
  for (const [name, entry] of [
    ["worker", "src/worker.ts"],
    ["index", "src/index.ts"],
  ] as const) {
    await Bun.build({
      entrypoints: [join(ROOT, entry)],
      outdir: folder,
      naming: `${name}.[ext]`,
      target: "browser",
      format: "esm",
      external: ["zod", "drizzle-orm"],
      plugins: [runtimeCrypto],
    });
  }
  const { outputFiles } = await esbuild({
    entryPoints: [join(ROOT, "test/examples/worker", MAIN)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    minify: MINIFY,
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["browser", "module", "main"],
    external: ["node:*"],
    nodePaths: [join(ROOT, "node_modules")],
    alias: { "kilde/worker": join(folder, "worker.js"), kilde: join(folder, "index.js") },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const [output] = outputFiles;
  if (output === undefined || outputFiles.length > 1) throw new Error("the worker is not one file");
  return output.contents;
}

const bundles = new Map<string, Promise<string>>();

function bundleOf({ options = {}, config = null, tenants = [] }: WorkerUnderTest): Promise<string> {
  const source = [
    `import { createWorker } from ${JSON.stringify(join(ROOT, "src/worker.ts"))};`,
    config === null ? "const config = {};" : `import config from ${JSON.stringify(config)};`,
    `const tenants = ${JSON.stringify(tenants)};`,
    `export default createWorker({ ...config, tenants }, ${JSON.stringify(options)});`,
  ].join("\n");
  const made = bundles.get(source) ?? bundleWorker(join(ROOT, "test/support/worker-under-test.ts"), source);
  bundles.set(source, made);
  return made;
}

export const WORKER_FEEDS = join(ROOT, "test/support/worker-feeds.ts");

export async function startWorker(worker: WorkerUnderTest): Promise<RunningWorker> {
  const miniflare = new Miniflare({
    modules: true,
    script: await bundleOf(worker),
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: COMPATIBILITY_FLAGS,
    ...(worker.quiet === true ? { handleRuntimeStdio: discard } : {}),
    bindings: {
      ...(worker.databaseUrl === null ? {} : { KILDE_DATABASE_URL: worker.databaseUrl }),
      KILDE_OPEN: "true",
      ...worker.env,
    },
  });
  const url = (await miniflare.ready).href.replace(/\/$/, "");
  return {
    url,
    // Another server may be given the port of one that was stopped.
    fetch: (path, init) => fetch(`${url}${path}`, { ...init, keepalive: false }),
    async scheduled() {
      // Its type is in terms of Cloudflare's own, which are not installed.
      const scheduling = (await miniflare.getWorker()) as unknown as Scheduled;
      const { outcome } = await scheduling.scheduled({ cron: "* * * * *" });
      if (outcome !== "ok") throw new Error(`the schedule's call ended as ${outcome}`);
    },
    stop: () => miniflare.dispose(),
  };
}
