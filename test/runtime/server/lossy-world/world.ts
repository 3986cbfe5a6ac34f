import { Database } from "bun:sqlite";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Client, createClient } from "../../../../src/client/index.ts";
import { run, serve, type Served } from "../../../cli/support.ts";
import { TEST_SECRET_KEY } from "../../../support/app.ts";
import { type Network, startNetwork } from "./network.ts";
import { consumerProgram, type ConsumerProgram, producerProgram, type Program } from "./processes.ts";
import type { ConsumerKind, ProducerOptions } from "./programs.ts";
import { configOf, type LogName } from "./published.ts";

/** A server, producers and consumers in processes of their own, and lossy networks between them. */
export interface World {
  readonly producers: readonly Program<ProducerOptions>[];
  readonly consumers: ConsumerProgram[];
  /** By what they connect: producers or consumers with the server, the server with a webhook. */
  readonly networks: ReadonlyMap<string, Network>;
  /** A client of the server without a network in between. */
  direct(): Client;
  killServer(): Promise<void>;
  startServer(): Promise<void>;
  backUp(): Promise<void>;
  /** Kills the server, replaces its database with the last backup, and starts it again. */
  restore(): Promise<void>;
  /** Ends the server, and starts it with both versions of the feed. */
  publishSecondVersion(): Promise<void>;
  /** Copies a consumer's database while it runs. */
  copyDatabase(consumer: ConsumerProgram): void;
  hasCopy(consumer: ConsumerProgram): boolean;
  /** Replaces a stopped consumer's database with its copy. */
  restoreDatabase(consumer: ConsumerProgram): void;
  /** Starts a consumer that was not there before. */
  addConsumer(name: string, kind: ConsumerKind, log: LogName): Promise<ConsumerProgram>;
  /** Starts a consumer again as one that moves from the first to the second version. */
  migrate(consumer: ConsumerProgram): Promise<void>;
  /** Returns the errors that the processes printed. */
  logs(): string;
  close(): Promise<void>;
}

const PRODUCERS = [
  { name: "keys-1", by: "keys" },
  { name: "keys-2", by: "keys" },
  { name: "versions", by: "versions" },
] as const;

const CONSUMERS: readonly { name: string; kind: ConsumerKind; log: LogName }[] = [
  { name: "sse-payments", kind: "sse", log: "payments/v1" },
  { name: "sse-events", kind: "sse", log: "events" },
  { name: "poll-payments", kind: "poll", log: "payments/v1" },
  { name: "hydrate-events", kind: "hydrate", log: "events" },
  { name: "hook-payments", kind: "webhook", log: "payments/v1" },
  { name: "hook-events", kind: "webhook", log: "events" },
];

const PACE_MS = 120;

const ENVIRONMENT = {
  KILDE_SECRET_KEYS: TEST_SECRET_KEY,
  KILDE_EGRESS_ALLOW: "127.0.0.1",
  KILDE_DATABASE_URL: "file:kilde.db",
};

function pathOf(log: LogName): string {
  return log === "events" ? "/events" : `/feeds/${log}`;
}

async function runKilde(cwd: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await run(args, { cwd, environment: ENVIRONMENT });
  if (exitCode !== 0) throw new Error(`kilde ${args.join(" ")}: ${stderr}`);
}

export async function openWorld(seed: number, chance: () => number): Promise<World> {
  const cwd = mkdtempSync(join(tmpdir(), "kilde-lossy-"));
  const logs = join(cwd, "logs");
  mkdirSync(logs);
  writeFileSync(join(cwd, "kilde.config.ts"), configOf(1));
  const networks = new Map<string, Network>();
  const consumers: ConsumerProgram[] = [];
  let backups = 0;
  let server: Served = await serve(cwd, [], { environment: ENVIRONMENT });
  const logOf = (name: string) => join(logs, `${name}.log`);

  const network = async (name: string, target: string): Promise<Network> => {
    const made = await startNetwork(target, chance);
    networks.set(name, made);
    return made;
  };
  const ofProducers = await network("producers", server.url);
  const ofConsumers = await network("consumers", server.url);

  const producers = PRODUCERS.map(({ name, by }, number) =>
    producerProgram(
      {
        name,
        by,
        url: ofProducers.url,
        seed: seed * 10 + number,
        file: join(cwd, `${name}.ndjson`),
        paceMs: PACE_MS,
      },
      logOf(name),
    ),
  );

  const secrets = new Map<string, string>();
  const subscribe = async (name: string, log: LogName, start: "beginning" | "now", url: string) => {
    const mode = log === "events" ? "batch" : "single";
    const made = await world.direct().subscriptions.create({
      source: pathOf(log),
      url: `${url}/${name}`,
      start,
      mode,
      ...(secrets.has(name) ? { secret: secrets.get(name) ?? "" } : {}),
    });
    if (made.secret !== null) secrets.set(name, made.secret);
  };

  /** Subscriptions that were made after the backup are not in it. */
  const subscribeAgain = async () => {
    const { subscriptions } = world.direct();
    const known = new Set<string>();
    for await (const { source, url } of subscriptions.list()) known.add(`${source} ${url}`);
    for (const { name, options } of consumers) {
      const hook = networks.get(name);
      if (hook === undefined || known.has(`${pathOf(options.log)} ${hook.url}/${name}`)) continue;
      await subscribe(name, options.log, "now", hook.url);
    }
  };

  const world: World = {
    producers,
    consumers,
    networks,
    direct: () => createClient({ url: server.url }),
    killServer: async () => void (await server.stop("SIGKILL")),
    async startServer() {
      server = await serve(cwd, [], { environment: ENVIRONMENT });
      ofProducers.leadTo(server.url);
      ofConsumers.leadTo(server.url);
    },
    async backUp() {
      backups += 1;
      await runKilde(cwd, ["backup", `backup-${backups}.db`]);
    },
    async restore() {
      await server.stop("SIGKILL");
      await runKilde(cwd, ["restore", `backup-${backups}.db`, "--force"]);
      await world.startServer();
      await subscribeAgain();
    },
    async publishSecondVersion() {
      await server.stop("SIGTERM");
      writeFileSync(join(cwd, "kilde.config.ts"), configOf(2));
      await world.startServer();
    },
    copyDatabase({ options: { file } }) {
      rmSync(`${file}.copy`, { force: true });
      const database = new Database(file);
      database.run("pragma busy_timeout = 5000");
      database.run("vacuum into ?", [`${file}.copy`]);
      database.close();
    },
    hasCopy: ({ options: { file } }) => existsSync(`${file}.copy`),
    restoreDatabase({ options: { file } }) {
      for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
      cpSync(`${file}.copy`, file);
    },
    async addConsumer(name, kind, log) {
      const hook = kind === "webhook" ? await network(name, "http://127.0.0.1:9") : null;
      if (hook !== null) await subscribe(name, log, "beginning", hook.url);
      const made = consumerProgram(
        {
          name,
          kind,
          log,
          migrateFrom: null,
          url: ofConsumers.url,
          file: join(cwd, `${name}.db`),
          secret: secrets.get(name) ?? null,
        },
        logOf(name),
        (url) => hook?.leadTo(url),
      );
      consumers.push(made);
      await made.start();
      return made;
    },
    async migrate(consumer) {
      const { name, options } = consumer;
      await consumer.stop();
      const hook = networks.get(name);
      if (hook !== undefined) await subscribe(name, "payments/v2", "now", hook.url);
      await consumer.start({ log: "payments/v2", migrateFrom: options.log });
    },
    logs: () =>
      [...producers, ...consumers]
        .map(({ name }) => [name, existsSync(logOf(name)) ? readFileSync(logOf(name), "utf8") : ""] as const)
        .map(([name, text]) => `--- ${name}\n${text.split("\n").slice(-25).join("\n")}`)
        .join("\n"),
    async close() {
      for (const each of [...producers, ...consumers]) await each.kill();
      await server.stop("SIGKILL");
      for (const each of networks.values()) await each.stop();
      if (process.env["KILDE_LOSSY_KEEP"] === undefined) rmSync(cwd, { recursive: true, force: true });
      else console.log(`lossy world: kept ${cwd}`);
    },
  };

  for (const { name, kind, log } of CONSUMERS) await world.addConsumer(name, kind, log);
  for (const each of producers) await each.start();
  return world;
}
