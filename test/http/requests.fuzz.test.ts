import { expect, test } from "bun:test";

import { cleanUp, emptyFolder, type Served } from "../cli/support.ts";
import { jsonPost } from "../support/app.ts";
import { buildBinary } from "../support/built-binary.ts";
import { type Chance, ROUNDS, SEED, seededChance } from "../support/fuzz/chance.ts";
import { peakMemoryMiB, serveFuzzed } from "../support/fuzz/fuzzed-server.ts";
import { type RawRequest, randomRequest } from "../support/fuzz/http-requests.ts";
import { exchange, type RawAnswer } from "../support/fuzz/raw-http.ts";

cleanUp();
const { program } = buildBinary();

const REQUESTS_PER_ROUND = 6_000;
const AT_A_TIME = 8;

/** Longest request that does not ask the server to wait, in milliseconds. */
const HANG_MS = 1_000;
/** Additional time on a busy machine before a request is sent again alone, in milliseconds. */
const PATIENCE_MS = 10_000;
const MOST_MEMORY_MIB = 512;
/** A round ends after so many faults. */
const MOST_FAULTS = 10;

/** A fault shows itself again when the request is sent alone; a busy machine does not. */
async function isSlow(port: number, { bytes }: RawRequest): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const answer = await exchange(port, bytes, PATIENCE_MS);
    if (answer !== null && answer.waitedMs <= HANG_MS) return false;
  }
  return true;
}

/** Returns the fault of an answer, or null. */
function faultOf({ status, head, body }: RawAnswer): string | null {
  // 505: Bun refuses another version of HTTP.
  if (status >= 500 && ![503, 505].includes(status)) return `answered ${status}`;
  if (
    /\bat .*\.[jt]s:\d+|<!doctype html>.*bun/is.test(body) &&
    !/^content-type: (text\/html|text\/javascript)/im.test(head)
  ) {
    return "the answer shows source code";
  }
  // Bun refuses malformed HTTP before Kilde sees it, without a body; HEAD is answered without one too.
  if (status >= 400 && body !== "" && !/^content-type: application\/problem\+json/im.test(head)) {
    return `a ${status} that is no problem: ${head.slice(0, 300)}`;
  }
  return null;
}

/** Sends a request. Returns the fault of its answer with the request, or null. */
async function sendOne(port: number, request: RawRequest): Promise<string | null> {
  const answer = await exchange(port, request.bytes, request.mayWait ? 200 : PATIENCE_MS);
  const shown = request.bytes.toString("latin1").slice(0, 1_000);
  const fault = answer === null ? null : faultOf(answer);
  if (fault !== null) return `${fault}\n${shown}\n---\n${answer?.head}\n${answer?.body.slice(0, 500)}`;
  if (request.mayWait || (answer !== null && answer.waitedMs <= HANG_MS)) return null;
  return (await isSlow(port, request)) ? `no answer within ${HANG_MS} ms\n${shown}` : null;
}

/** Sends the requests of a round, and gives the faults of their answers. */
async function sendMany(chance: Chance, server: Served): Promise<string[]> {
  const { port, host } = new URL(server.url);
  const faults: string[] = [];
  let left = REQUESTS_PER_ROUND;
  const sendSome = async () => {
    while (left > 0 && faults.length < MOST_FAULTS) {
      left -= 1;
      const fault = await sendOne(Number(port), randomRequest(chance, host));
      if (fault !== null) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, sendSome));
  return faults;
}

/** Reads the whole log over pages, NDJSON and an event stream: all three have the same events. */
async function expectReadable({ url }: Served): Promise<void> {
  const { position } = (await (
    await fetch(`${url}/streams/last`, jsonPost({ events: [{ type: "Noted", data: 1 }] }))
  ).json()) as { position: number };
  const pages: { id: string }[] = [];
  for (let cursor = "0"; ;) {
    const page = (await (await fetch(`${url}/events?lastEventId=${cursor}`)).json()) as { id: string }[];
    pages.push(...page);
    const last = page.at(-1);
    if (last === undefined) break;
    cursor = last.id;
  }
  expect(pages.at(-1)?.id).toBe(String(position));
  const lines = await (
    await fetch(`${url}/events?limit=10000`, { headers: { accept: "application/x-ndjson" } })
  ).text();
  const parsed = lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
  expect(parsed).toEqual(pages.slice(0, parsed.length));
  const followed = await fetch(`${url}/events?lastEventId=0`, { headers: { accept: "text/event-stream" } });
  const sent: unknown[] = [];
  let rest = "";
  for await (const chunk of followed.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data !== undefined) sent.push(JSON.parse(data.slice("data: ".length)));
    }
    if (sent.length >= pages.length) break;
  }
  expect(sent).toEqual(pages);
}

test(
  "random requests: no answer is a fault, none hangs, and the store is sound after each round",
  async () => {
    console.log(`KILDE_FUZZ_SEED=${SEED}`);
    const server = await serveFuzzed(emptyFolder(), program);
    for (let round = 0; round < ROUNDS; round += 1) {
      expect(await sendMany(seededChance(SEED + round), server)).toEqual([]);
      await expectReadable(server);
      expect(peakMemoryMiB(server.pid) ?? 0).toBeLessThan(MOST_MEMORY_MIB);
      const { exitCode, stdout, stderr } = await server.kilde(["doctor"]);
      expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0 });
    }
    expect((await server.stop()).exitCode).toBe(0);
  },
  ROUNDS * 180_000,
);
