import { join } from "node:path";

import { Client, credentials, type ServiceDefinition } from "@grpc/grpc-js";
import { load } from "@grpc/proto-loader";

import type { Contender, Start } from "../contender.ts";
import { cargoFolder, crateFile } from "../installed.ts";
import { closedLoop } from "../sample.ts";
import { freePort } from "../sandbox.ts";
import * as work from "../workload.ts";

/*
 * UmaDB, which syncs its file before it acknowledges: data, then the header. It has no client for JavaScript, so it is
 * called through gRPC's own, with requests serialized before anything is timed. A stream is a tag.
 */

const VERSION = "0.7.8";
const SERVICE = "umadb.v1.DCB";

/** Appends of many that are made beforehand. */
const BATCHES = 500;

interface Head {
  readonly position?: number;
}

async function serviceOf(protocol: string): Promise<ServiceDefinition> {
  const definition = await load(protocol, { keepCase: true, longs: Number });
  const service = definition[SERVICE];
  if (service === undefined || "format" in service) throw new Error(`${protocol} has no service ${SERVICE}`);
  return service;
}

async function connect(port: number, protocol: string) {
  const service = await serviceOf(protocol);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const method = (name: string) => {
    const found = service[name];
    if (found === undefined) throw new Error(`${SERVICE} has no ${name}`);
    return found;
  };
  const call = (name: string, request: Buffer) => {
    const { path, responseDeserialize } = method(name);
    return new Promise<unknown>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        responseDeserialize,
        request,
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
  };
  return {
    call,
    serialize: (name: string, request: object) => method(name).requestSerialize(request),
    client,
  };
}

type Connection = Awaited<ReturnType<typeof connect>>;

/** Bytes of an append of these events to a stream. */
function appendOf({ serialize }: Connection, stream: string, events: readonly work.BenchEvent[]): Buffer {
  return serialize("Append", {
    events: events.map(({ type, data }) => ({ event_type: type, tags: [stream], data: Buffer.from(data) })),
  });
}

export const startUmadb: Start = async (sandbox) => {
  const program = join(cargoFolder("umadb", VERSION), "bin/umadb");
  const protocol = await crateFile("umadb-proto", VERSION, "proto/v1/umadb.proto");
  const port = freePort();
  const server = await sandbox.start({
    name: "umadb",
    command: [program, "--listen", `127.0.0.1:${port}`, "--db-path", sandbox.folder("umadb")],
    ready: async () => (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end(),
  });
  const open = await connect(port, protocol);
  const stored = async () => ((await open.call("Head", open.serialize("Head", {}))) as Head).position ?? 0;
  const appending = (inFlight: number, requests: readonly Buffer[], events: number) => (durationMs: number) =>
    closedLoop(inFlight, durationMs, async () => {
      const request = requests[work.randomBelow(requests.length)];
      if (request === undefined) throw new Error("there is no request");
      await open.call("Append", request);
      return events;
    });

  return {
    name: "UmaDB",
    version: VERSION,
    settings: "fsync, as it is shipped",
    pid: server.pid,
    async singles(inFlight) {
      const requests = work.ALL_STREAMS.map((stream, n) => appendOf(open, stream, [work.eventOf(n)]));
      return [{ way: "fsync, gRPC", run: appending(inFlight, requests, 1), stored }];
    },
    async batches(inFlight) {
      const requests = Array.from({ length: BATCHES }, (_, n) => {
        const stream = work.streamName(work.randomBelow(work.STREAMS));
        return appendOf(open, stream, work.eventsOf(n * work.BATCH, work.BATCH));
      });
      return [{ way: "fsync, gRPC", run: appending(inFlight, requests, work.BATCH), stored }];
    },
    async close() {
      open.client.close();
      await server.stop();
    },
  } satisfies Contender;
};
