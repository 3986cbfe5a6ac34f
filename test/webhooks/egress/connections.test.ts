import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";

import fc from "fast-check";

import { cleanUp, egress, outcome, post, rawServer } from "./support.ts";
import { eventually } from "../../support/eventually.ts";

cleanUp();

const at = (port: number, headers: Record<string, string> = {}) =>
  post(`http://127.0.0.1:${port}/hook`, headers);

/** The connections that sent a request: an address gets a trial connection first. */
const used = (received: readonly string[]) => received.filter(Boolean).length;

describe("a connection in plain text is kept", () => {
  test.each([
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["no body", "HTTP/1.1 204 No Content\r\n\r\n"],
    [
      "chunks",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n1\r\n!\r\n0\r\nTrailer: 1\r\n\r\n",
    ],
    [
      "an informational answer first",
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
    ["lines that end without CR", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"],
    ["HTTP/1.0 that asks for it", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"],
  ])("after an answer with %s", async (_, text) => {
    const server = await rawServer((_socket, write) => write(text));
    const { send } = egress();
    for (let n = 0; n < 4; n += 1)
      expect([200, 204]).toContain(outcome(await send(at(server.port))) as number);
    expect(used(server.received)).toBe(1);
  });

  test.each([
    ["asks to close it", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"],
    ["is HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
    [
      "states two ends",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["has bytes after its end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 410 Gone\r\n\r\n"],
  ])("unless the answer %s", async (_, text) => {
    const server = await rawServer((_socket, write) => write(text));
    const { send } = egress();
    for (let n = 0; n < 3; n += 1) expect(outcome(await send(at(server.port)))).toBe(200);
    expect(used(server.received)).toBe(3);
  });

  test("until the egress closes", async () => {
    const server = await rawServer((_, write) => write("HTTP/1.1 204 No Content\r\n\r\n"));
    const { send, close } = egress();
    expect(outcome(await send(at(server.port)))).toBe(204);
    await eventually(() => server.open() === 1);
    close();
    await eventually(() => server.open() === 0);
  });
});

test("a request on a kept connection that the endpoint closes is sent again, on another", async () => {
  const requests = new Map<Socket, number>();
  const server = await rawServer((socket, write) => {
    const count = (requests.get(socket) ?? 0) + 1;
    requests.set(socket, count);
    if (count === 1) write("HTTP/1.1 204 No Content\r\n\r\n");
    else socket.destroy();
  });
  const { send } = egress();
  for (let n = 0; n < 4; n += 1) expect(outcome(await send(at(server.port)))).toBe(204);
  expect(used(server.received)).toBe(4);
});

test("a request on a kept connection that breaks off within its answer failed, and may have arrived", async () => {
  let count = 0;
  const server = await rawServer((socket, write) => {
    count += 1;
    if (count === 1) return void write("HTTP/1.1 204 No Content\r\n\r\n");
    write("HTTP/1.1 2");
    setTimeout(() => socket.destroy(), 20);
  });
  const { send } = egress();
  expect(outcome(await send(at(server.port)))).toBe(204);
  expect(await send(at(server.port))).toMatchObject({ kind: "failed", category: "connection", sent: true });
  expect(count).toBe(2);
});

test("an answer that ends with the connection counts with its status", async () => {
  const server = await rawServer((socket, write) => {
    write("HTTP/1.1 200 OK\r\n\r\nsome text");
    setTimeout(() => socket.end(), 20);
  });
  expect(outcome(await egress({ timeoutMs: 5_000 }).send(at(server.port)))).toBe(200);
});

test("headers reach the endpoint as they are stated, and a line break in one sends nothing", async () => {
  const server = await rawServer((_, write) => write("HTTP/1.1 204 No Content\r\n\r\n"));
  const { send } = egress();
  const body = "æ".repeat(3);
  const stated = { ...at(server.port, { "USER-agent": "me/1.0", "X-Tenant": "" }), body };
  expect(outcome(await send(stated))).toBe(204);
  const text = server.received.join("");
  expect(text).toContain("USER-agent: me/1.0\r\n");
  expect(text).toContain("X-Tenant: \r\n");
  expect(text).toContain("Content-Length: 6\r\n");
  expect(text.toLowerCase().match(/user-agent/g)).toHaveLength(1);
  expect(text.endsWith(`\r\n\r\n${body}`)).toBe(true);
  for (const value of ["a\r\nx: y", "a\nb", "a\0"])
    expect(outcome(await send(at(server.port, { "x-a": value })))).toBe("protocol");
  expect(server.received.join("")).toBe(text);
});

test("an answer means the same in whatever pieces it arrives", async () => {
  const answers = [
    "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nretry-after:7\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 503\r\nRetry-After: 7 \r\nContent-Length: 0\r\n\r\n",
  ];
  const pieces = fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...answers), pieces, async (text, cuts) => {
      const ends = [...new Set(cuts), text.length]
        .filter((end) => end <= text.length)
        .toSorted((a, b) => a - b);
      const server = await rawServer((_, write) => {
        const writeFrom = (index: number) => {
          if (index === ends.length) return;
          write(text.slice(ends[index - 1] ?? 0, ends[index]));
          setImmediate(() => writeFrom(index + 1));
        };
        writeFrom(0);
      });
      const { send } = egress();
      for (let n = 0; n < 2; n += 1) {
        const answer = await send(at(server.port));
        expect(outcome(answer)).toBe(503);
        expect(answer.kind === "answered" && answer.header("Retry-After")).toBe("7");
      }
      expect(used(server.received)).toBe(1);
    }),
    { numRuns: 40 },
  );
});
