import { join } from "node:path";

import { type Client, createClient } from "../../src/client/index.ts";
import { createCommandHandler, type Decider } from "../../src/decider/index.ts";
import { createKilde } from "../../src/embed/index.ts";
import type { BenchmarkOptions } from "./course.ts";
import { startServer } from "./kilde-server.ts";
import { medianRow } from "./measure.ts";
import { type Round, type Row, roundOf } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import * as work from "./workload.ts";

/* What deciding costs beside bare appends, on a server and in this process. Streams are remembered, as in a service. */

const IN_FLIGHT = 64;

/** Streams that take commands: no more than a handler remembers. */
const STREAMS = 500;

interface Declared {
  readonly type: string;
  readonly data: { readonly amount: number };
}

const total: Decider<Declared, Declared, number> = {
  initial: 0,
  decide: (declared) => declared,
  evolve: (sum, { data }) => sum + data.amount,
};

/** Does something 64 times at once, for so long; gives how often a second. */
async function rateOf(roundMs: number, once: (n: number) => Promise<unknown>): Promise<number> {
  let count = 0;
  const started = performance.now();
  const worker = async () => {
    while (performance.now() - started < roundMs) {
      count += 1;
      await once(count);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return (count * 1_000) / (performance.now() - started);
}

function declaredOf(n: number): Declared {
  const { type, data } = work.eventOf(n);
  return { type, data: JSON.parse(data) as Declared["data"] };
}

/** Commands and bare appends a second, by turns. */
export async function measureCommands(
  sandbox: Sandbox,
  { command, rounds, roundMs }: BenchmarkOptions,
): Promise<Row[]> {
  const server = await startServer(sandbox, command);
  const embedded = await createKilde({ databaseUrl: `file:${join(sandbox.folder("embedded"), "kilde.db")}` });
  const stores: readonly (readonly [name: string, store: Client])[] = [
    ["over HTTP", createClient({ url: server.url })],
    ["in process", embedded],
  ];
  const rows: Row[] = [];
  for (const [where, store] of stores) {
    const { handle } = createCommandHandler({ store });
    const appends: Round[] = [];
    const commands: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const appended = await rateOf(roundMs, (n) => store.append(`append-${n % STREAMS}`, declaredOf(n)));
      appends.push(roundOf(appended));
      const handled = await rateOf(roundMs, (n) => handle(`command-${n % STREAMS}`, total, declaredOf(n)));
      commands.push(roundOf(handled));
    }
    const settings = "kilde/client, one thread";
    rows.push(
      medianRow({ contender: "Kilde", way: `commands ${where}`, settings }, commands, appends),
      medianRow({ contender: "Kilde", way: `bare appends ${where}`, settings }, appends, appends),
    );
  }
  await embedded.close();
  await server.server.stop();
  return rows;
}
