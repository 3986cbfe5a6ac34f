#!/usr/bin/env bun
import { existsSync } from "node:fs";
import { join } from "node:path";

import { Command, InvalidArgumentError } from "commander";

import { runBenchmark } from "./benchmark.ts";
import { drawChart } from "./chart.ts";
import { withTable } from "./docs-table.ts";
import type { Results } from "./results.ts";
import { targetLines, workTable } from "./table.ts";
import { targetsWithoutResult } from "./targets.ts";
import { USUAL_WORKS, WORK_NAMES } from "./works.ts";

/*
 * `npm run bench`: Kilde beside the bare database and beside what people use today, on this machine, in one run.
 */

const ROOT = join(import.meta.dir, "../..");
const BINARY = join(ROOT, "dist/kilde");
const CHART = join(ROOT, "src/docs/images/benchmark.svg");
const PAGE = join(ROOT, "src/docs/operate/sizing.md");

function atLeast(min: number) {
  return (text: string) => {
    const value = Number(text);
    if (!(value >= min)) throw new InvalidArgumentError(`must be a number from ${min}`);
    return value;
  };
}

function collectWork(name: string, before: readonly string[]): readonly string[] {
  if (!WORK_NAMES.includes(name)) throw new InvalidArgumentError(`must be one of ${WORK_NAMES.join(", ")}`);
  return [...before, name];
}

interface Options {
  readonly quick?: true;
  readonly only: readonly string[];
  readonly alone?: true;
  readonly binary?: string | true;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly followers: number;
  readonly importLines: number;
  readonly json?: string;
}

/** Writes the chart and the table of the documentation. */
async function publish(results: Results): Promise<void> {
  await Bun.write(CHART, drawChart(results));
  await Bun.write(PAGE, withTable(await Bun.file(PAGE).text(), results));
  Bun.spawnSync([join(ROOT, "node_modules/.bin/oxfmt"), PAGE]);
}

const program = new Command("bench")
  .description(
    `Measures Kilde beside the bare database, NATS JetStream, Redis streams, UmaDB, message-db and Emmett. A whole run
writes the table of ${PAGE.slice(ROOT.length + 1)} and its chart.`,
  )
  .option("--quick", "3 rounds of half a second instead of 5 of 2 seconds")
  .option("--only <work>", `one of ${WORK_NAMES.join(", ")}; may be repeated`, collectWork, [])
  .option("--alone", "Kilde and the bare loop only")
  .option("--binary [file]", "measure the compiled binary (dist/kilde) instead of the source")
  .option("--rounds <count>", "rounds of each work that has a target", atLeast(1))
  .option("--seconds <seconds>", "how long a round takes", atLeast(0.05))
  .option("--followers <count>", "connections that follow the log", atLeast(1), 1_000)
  .option("--import-lines <count>", "lines of a round of the import", atLeast(1), 400_000)
  .option("--json <file>", "write the results to a file")
  .parse();
const options = program.opts<Options>();

const binary = typeof options.binary === "string" ? options.binary : BINARY;
if (options.binary !== undefined && !existsSync(binary))
  program.error(`there is no ${binary}: bun run build`);
const source = [process.execPath, join(ROOT, "src/main.ts")];

try {
  const { results, failures } = await runBenchmark({
    command: options.binary === undefined ? source : [binary],
    source,
    binary: existsSync(binary) ? binary : null,
    works: options.only.length === 0 ? USUAL_WORKS : options.only,
    peers: options.alone !== true,
    rounds: options.rounds ?? (options.quick ? 3 : 5),
    roundMs: (options.seconds ?? (options.quick ? 0.5 : 2)) * 1_000,
    followers: options.followers,
    importLines: options.importLines,
    onResult: (work) => console.log(`\n${workTable(work)}`),
    print: (text) => console.log(text),
  });

  if (options.json !== undefined) await Bun.write(options.json, `${JSON.stringify(results, null, 2)}\n`);
  const whole = options.only.length === 0 && options.alone !== true && options.quick !== true;
  if (whole) {
    console.log(
      `\n${targetLines(results.works, targetsWithoutResult(results.works.map(({ name }) => name)))}`,
    );
    await publish(results);
  }
  if (failures.length > 0) program.error(`These works failed:\n${failures.join("\n")}`);
} catch (error) {
  program.error(error instanceof Error ? error.message : String(error));
}
