import { join } from "node:path";
import { openSync } from "node:fs";

import type { ConsumerLine, ConsumerOptions, ProducerOptions } from "./programs.ts";

/** A program of the lossy world, which is killed and started again. */
export interface Program<Options> {
  readonly name: string;
  options: Options;
  /** Resolves when it works. Starts it with other options from then on, if some are given. */
  start(changes?: Partial<Options>): Promise<void>;
  kill(): Promise<void>;
  /** Ends it properly. */
  stop(): Promise<void>;
}

interface Started {
  readonly child: Bun.Subprocess<"ignore", "pipe", number>;
}

/** Starts a program; its standard error is added to a file. */
function spawn(file: string, options: object, log: string): Started {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file), JSON.stringify(options)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: openSync(log, "a"),
  });
  return { child };
}

function required<Value>(value: Value | null, name: string): Value {
  if (value === null) throw new Error(`${name} does not run`);
  return value;
}

export function producerProgram(options: ProducerOptions, log: string): Program<ProducerOptions> {
  let running: Started | null = null;
  return {
    name: options.name,
    options,
    async start(changes = {}) {
      this.options = { ...this.options, ...changes };
      running = spawn("producer.ts", this.options, log);
    },
    async kill() {
      const { child } = required(running, options.name);
      child.kill("SIGKILL");
      await child.exited;
    },
    async stop() {
      const { child } = required(running, options.name);
      child.kill("SIGTERM");
      const code = await child.exited;
      if (code !== 0) throw new Error(`${options.name} ended with ${code}; see ${log}`);
    },
  };
}

export interface ConsumerProgram extends Program<ConsumerOptions> {
  /** Resolves when the process has switched all subjects to the new version. */
  migrated(): Promise<void>;
  /** Events that its webhook received in processes that were stopped properly. */
  received(): number;
}

export function consumerProgram(
  options: ConsumerOptions,
  log: string,
  onHook: (url: string) => void,
): ConsumerProgram {
  let running: Started | null = null;
  let received = 0;
  let migrated = Promise.withResolvers<void>();

  const read = async (child: Started["child"], onStarted: () => void) => {
    let rest = "";
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.map((text) => JSON.parse(text) as ConsumerLine)) {
        if (line.kind === "migrated") migrated.resolve();
        if (line.kind === "stopped") received += line.received;
        if (line.kind !== "started") continue;
        if (line.url !== null) onHook(line.url);
        onStarted();
      }
    }
  };

  return {
    name: options.name,
    options,
    received: () => received,
    migrated: () => migrated.promise,
    async start(changes = {}) {
      this.options = { ...this.options, ...changes };
      migrated = Promise.withResolvers();
      running = spawn("consumer.ts", this.options, log);
      const { child } = running;
      const started = Promise.withResolvers<void>();
      const reading = read(child, started.resolve);
      await Promise.race([
        started.promise,
        reading.then(() => {
          throw new Error(`${options.name} ended before it worked; see ${log}`);
        }),
      ]);
    },
    async kill() {
      const { child } = required(running, options.name);
      child.kill("SIGKILL");
      await child.exited;
    },
    async stop() {
      const { child } = required(running, options.name);
      child.kill("SIGTERM");
      const code = await child.exited;
      if (code !== 0) throw new Error(`${options.name} ended with ${code}; see ${log}`);
    },
  };
}
