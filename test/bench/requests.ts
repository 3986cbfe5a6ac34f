import * as work from "./workload.ts";

/*
 * Requests as bytes, made before anything is timed. Those of appends are in two parts, so that any stream goes with
 * any events; joining the two is all that is left to do for a request.
 */

const ENCODER = new TextEncoder();

export function anyOf<Value>(values: readonly Value[]): () => Value {
  return () => {
    const value = values[work.randomBelow(values.length)];
    if (value === undefined) throw new Error("there is nothing to choose from");
    return value;
  };
}

export function inTurn<Value>(values: readonly Value[]): () => Value {
  let index = 0;
  return () => {
    const value = values[index % values.length];
    index += 1;
    if (value === undefined) throw new Error("there is nothing to take in turn");
    return value;
  };
}

export function getRequest(port: number, path: string, headers: readonly string[] = []): Uint8Array {
  const lines = [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers];
  return ENCODER.encode(`${lines.join("\r\n")}\r\n\r\n`);
}

export function appendBody(events: readonly work.BenchEvent[]): string {
  return `{"events":[${events.map(({ type, data }) => `{"type":"${type}","data":${data}}`).join(",")}]}`;
}

/** Appends of so many events, each to a random one of these streams. */
export function randomAppends(
  port: number,
  eventsPerRequest: number,
  streams: readonly string[] = work.ALL_STREAMS,
  headers: readonly string[] = [],
): () => Uint8Array {
  const starts = streams.map((stream) => {
    const lines = [
      `POST /streams/${stream} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      "Content-Type: application/json",
      ...headers,
    ];
    return ENCODER.encode(`${lines.join("\r\n")}\r\n`);
  });
  const ends = Array.from({ length: Math.floor(work.STREAMS / eventsPerRequest) }, (_, index) => {
    const body = appendBody(work.eventsOf(index * eventsPerRequest, eventsPerRequest));
    return ENCODER.encode(`Content-Length: ${body.length}\r\n\r\n${body}`);
  });
  const start = anyOf(starts);
  const end = anyOf(ends);
  return () => Buffer.concat([start(), end()]);
}
