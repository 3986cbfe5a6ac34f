import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { eventually } from "../support/eventually.ts";
import { jsonPost, TEST_SECRET_KEY } from "../support/app.ts";
import { type ServerProcess, startServer } from "../support/process.ts";

/*
 * One subject of a hundred is never acknowledged. Two subscriptions of the same events are delivered at the same time:
 * one to an endpoint that acknowledges every event, and one to an endpoint that never acknowledges that subject. After
 * the first attempts at it, the other subjects wait no longer at the second than at the first. Other load of the
 * machine delays both.
 */

const FAILURES = [429, 500, 502, 503, 504, "timeout", "reset"] as const;
const MODES = ["single", "batch"] as const;

type Failure = (typeof FAILURES)[number];
type Mode = (typeof MODES)[number];

const STREAMS = 100;
const EVENTS = 600;
const EVERY_MS = 4;
/** Attempts at the failing subject before it is measured: the first of a batch, and the first of it alone. */
const FIRST_ATTEMPTS = 2;

const MOST_RATIO = 2;
/** Timers and garbage collection take less than this. */
const FLOOR_MS = 20;

interface Delivered {
  readonly subject: string;
  readonly data: { readonly sentMs: number };
}

/** The deliveries of an endpoint. */
interface Endpoint {
  attempts: number;
  /** By event, its wait until its first arrival. */
  readonly waitsMs: number[];
  taken: number;
}

const endpoints = new Map<string, Endpoint>();
const failing = (subject: string) => subject.endsWith("-0");

function fail(failure: Failure, request: IncomingMessage, response: ServerResponse): void {
  if (failure === "timeout") return;
  if (failure === "reset") request.socket.destroy();
  else response.writeHead(failure).end();
}

/** Endpoints by path: `/mode/failure`, and `/mode/failure/well` for one that acknowledges every event. */
const receiver = createServer((request, response) => {
  const [, , failure = "", well] = (request.url ?? "").split("/");
  const endpoint = endpoints.get(request.url ?? "");
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on("end", () => {
    const parsed = JSON.parse(body) as Delivered | Delivered[];
    const events = Array.isArray(parsed) ? parsed : [parsed];
    if (endpoint === undefined) return;
    if (well === undefined && events.some(({ subject }) => failing(subject))) {
      endpoint.attempts += 1;
      const known = FAILURES.find((one) => String(one) === failure);
      if (known !== undefined) return fail(known, request, response);
    }
    for (const { subject, data } of events) {
      if (failing(subject)) continue;
      endpoint.taken += 1;
      endpoint.waitsMs.push(performance.now() - data.sentMs);
    }
    response.writeHead(204).end();
  });
});

const folder = mkdtempSync(join(tmpdir(), "kilde-failing-"));
let server: ServerProcess;

const prefixOf = (mode: Mode, failure: Failure) => `${mode}-${failure}-`;

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(server.url + path, jsonPost(body));
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}

const append = (stream: string) =>
  post(`/streams/${stream}`, { events: [{ type: "Happened", data: { sentMs: performance.now() } }] });

async function subscribe(path: string, prefix: string, mode: Mode): Promise<void> {
  endpoints.set(path, { attempts: 0, waitsMs: [], taken: 0 });
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`;
  await post("/subscriptions", { source: "/events", url, mode, subjectPrefix: prefix, concurrency: 16 });
}

const endpointOf = (path: string): Endpoint => {
  const endpoint = endpoints.get(path);
  if (endpoint === undefined) throw new Error(`there is no endpoint ${path}`);
  return endpoint;
};

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  server = await startServer(`file:${join(folder, "kilde.db")}`, {
    KILDE_SECRET_KEYS: TEST_SECRET_KEY,
    KILDE_EGRESS_ALLOW: "127.0.0.1",
  });
  for (const mode of MODES) {
    for (const failure of FAILURES) {
      const [path, prefix] = [`/${mode}/${failure}`, prefixOf(mode, failure)];
      await subscribe(path, prefix, mode);
      await subscribe(`${path}/well`, prefix, mode);
      for (let n = STREAMS - 1; n >= 0; n -= 1) await append(`${prefix}${n}`);
    }
  }
  await eventually(() =>
    Array.from(endpoints).every(
      ([path, { attempts, taken }]) =>
        taken >= STREAMS - 1 && (path.endsWith("/well") || attempts >= FIRST_ATTEMPTS),
    ),
  );
}, 300_000);

afterAll(async () => {
  await server.kill("SIGKILL");
  receiver.closeAllConnections();
  receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

/** 99th percentile of the waits. */
function p99Of({ waitsMs }: Endpoint): number {
  return waitsMs.toSorted((a, b) => a - b)[Math.floor(waitsMs.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

for (const mode of MODES) {
  describe(`a subject that is never acknowledged, ${mode}`, () => {
    for (const failure of FAILURES) {
      test(`delays no other when it is answered ${failure}`, async () => {
        const path = `/${mode}/${failure}`;
        const [failed, well] = [endpointOf(path), endpointOf(`${path}/well`)];
        for (const endpoint of [failed, well]) endpoint.waitsMs.length = 0;
        for (let n = 0; n < EVENTS; n += 1) {
          await append(`${prefixOf(mode, failure)}${n % STREAMS}`);
          await Bun.sleep(EVERY_MS);
        }
        const expected = EVENTS - EVENTS / STREAMS;
        await eventually(() => failed.waitsMs.length >= expected && well.waitsMs.length >= expected);
        const [failedMs, wellMs] = [p99Of(failed), p99Of(well)];
        console.log(`${path}: p99 ${failedMs.toFixed(1)} ms, undisturbed ${wellMs.toFixed(1)} ms`);
        expect(failedMs).toBeLessThanOrEqual(MOST_RATIO * Math.max(FLOOR_MS, wellMs));
      }, 60_000);
    }
  });
}
