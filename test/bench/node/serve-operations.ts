import { createServer } from "node:http";

import { closedLoop, quantile } from "../sample.ts";

/** Does something once; gives the events it moved. */
type Operation = () => Promise<number>;

/** A run that a process in Node is asked for. */
export interface RunRequest {
  readonly operation: string;
  readonly inFlight: number;
  readonly durationMs: number;
}

/** A sample of such a run. */
export interface RunAnswer {
  readonly operations: number;
  readonly events: number;
  readonly seconds: number;
  /** Ascending; no more than {@link QUANTILES}, evenly spread over all. */
  readonly latenciesMs: readonly number[];
}

const QUANTILES = 1_000;

async function run(operations: Readonly<Record<string, Operation>>, request: RunRequest): Promise<RunAnswer> {
  const operation = operations[request.operation];
  if (operation === undefined) throw new Error(`there is no operation ${request.operation}`);
  const sample = await closedLoop(request.inFlight, request.durationMs, operation);
  const latenciesMs = Array.from({ length: QUANTILES }, (_, index) =>
    quantile(sample.latenciesMs, index / QUANTILES),
  );
  return { operations: sample.operations, events: sample.events, seconds: sample.seconds, latenciesMs };
}

/** Answers each POST by running an operation for a time. Runs in any runtime with modules of Node. */
export function serveOperations(port: number, operations: Readonly<Record<string, Operation>>): void {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "GET") return void response.end("ready");
      run(operations, JSON.parse(Buffer.concat(chunks).toString()) as RunRequest).then(
        (answer) => response.end(JSON.stringify(answer)),
        (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.stack : String(error)),
      );
    });
  });
  // A run takes longer than the usual patience with a quiet connection.
  server.requestTimeout = 0;
  server.listen(port, "127.0.0.1");
}
