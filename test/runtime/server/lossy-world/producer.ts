import { appendFileSync, existsSync, readFileSync } from "node:fs";

import { createClient, KildeError, KildeUnreachableError } from "../../../../src/client/index.ts";
import { chanceOf } from "../../../support/chance.ts";
import type { Operation } from "./published.ts";
import type { Acknowledged, ProducerOptions } from "./programs.ts";

/*
 * A producer to be killed. It does operations 1, 2, …, each made from its number alone, and keeps in a file which ones
 * were acknowledged, so that a new process continues after them and repeats pending operations: with the same idempotency
 * key, or, if it keeps to expected versions, after it has looked whether the event is there.
 */

const SHARED_STREAMS = 24;
const OWN_STREAMS = 4;

const options = JSON.parse(process.argv[2] ?? "") as ProducerOptions;
const { name, by, seed, file, paceMs } = options;
const client = createClient({ url: options.url });
let identity = "";
const onLog = (now: string) => void (identity = now);

let isStopped = false;
process.on("SIGTERM", () => (isStopped = true));

function acknowledgedSoFar(): number {
  if (!existsSync(file)) return 0;
  // The last line may have been cut off.
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  const last = lines.findLast((line) => line !== "");
  return last === undefined ? 0 : (JSON.parse(last) as Acknowledged).number;
}

function note(line: Acknowledged): void {
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

function operation(number: number, part: string, chance: () => number): { type: string; data: Operation } {
  const data = { id: `${name}/${number}/${part}`, n: 1 + Math.floor(chance() * 10) };
  return { type: chance() < 0.2 ? "Noted" : "Added", data };
}

/** Whether it is worth another attempt, and not a fault. */
function isRepeatable(error: unknown): boolean {
  if (error instanceof KildeUnreachableError) return true;
  return error instanceof KildeError && ["log-restored", "version-conflict"].includes(error.code);
}

/** Appends to shared streams, sometimes to two of them. */
async function appendByKey(number: number): Promise<void> {
  const chance = chanceOf(seed * 1_000_003 + number);
  const appends = Array.from({ length: chance() < 0.25 ? 2 : 1 }, (_, part) => ({
    stream: `account-${Math.floor(chance() * SHARED_STREAMS)}`,
    events: Array.from({ length: chance() < 0.3 ? 2 : 1 }, (__, n) =>
      operation(number, `${part}-${n}`, chance),
    ),
  }));
  const results = await client.transact(appends, { idempotencyKey: `${name}/${number}`, onLog });
  const events = results.map(({ position, count }, index) => ({
    position: position - count + 1,
    ids: appends[index]?.events.map(({ data }) => data.id) ?? [],
  }));
  note({ number, identity, events });
}

const versions = new Map<string, number>();

/** Where the event with an identifier is in a stream; null: not there. Learns the stream's version. */
async function findIn(stream: string, id: string): Promise<number | null> {
  let found: number | null = null;
  let version = 0;
  try {
    for await (const event of client.read<Operation>({ stream, onLog })) {
      version = event.version;
      if (event.data.id === id) found = event.position;
    }
  } catch (error) {
    if (!(error instanceof KildeError) || error.code !== "stream-not-found") throw error;
  }
  versions.set(stream, version);
  return found;
}

/** Appends to a stream of its own, at the version that it expects. */
async function appendByVersion(number: number): Promise<void> {
  const stream = `own-${name}-${number % OWN_STREAMS}`;
  const event = operation(number, "0-0", chanceOf(seed * 1_000_003 + number));
  let position = versions.has(stream) ? null : await findIn(stream, event.data.id);
  if (position === null) {
    const expectedVersion = versions.get(stream) ?? 0;
    // Where it fails, the event is looked up before it is repeated.
    versions.delete(stream);
    const appended = await client.append(stream, event, { expectedVersion, idempotencyKey: null, onLog });
    versions.set(stream, appended.version);
    position = appended.position;
  }
  note({ number, identity, events: [{ position, ids: [event.data.id] }] });
}

const pace = chanceOf(seed);
let failures = 0;
for (let number = acknowledgedSoFar() + 1; !isStopped;) {
  try {
    await (by === "keys" ? appendByKey(number) : appendByVersion(number));
    number += 1;
    failures = 0;
  } catch (error) {
    if (!isRepeatable(error)) throw error;
    failures += 1;
  }
  await Bun.sleep(Math.min(1_000, 2 * paceMs * pace() + 50 * failures));
}
process.exit(0);
