import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { createClient } from "../../../src/client/index.ts";
import { type OpenServer, openServer } from "../../support/open-server.ts";

/*
 * What only shows on a real connection.
 */

let server: OpenServer;
let url: string;
beforeAll(async () => {
  server = await openServer();
  ({ url } = server);
});
afterAll(() => server.close());

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}

function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString();
      if (text.includes("\r\n\r\n")) resolve(text);
    });
    socket.on("close", () => resolve(text));
  });
}

const head = (length: number) =>
  `POST /streams/s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

test("a client that goes away in the middle of an append leaves nothing behind", async () => {
  const client = createClient({ url });
  const before = await client.head();
  const body = JSON.stringify({ events: [{ type: "T", data: "x".repeat(100_000) }] });
  for (const sent of [0, 1, 1_000, body.length - 1]) {
    const socket = await open();
    socket.write(head(body.length) + body.slice(0, sent));
    await Bun.sleep(20);
    socket.destroy();
  }
  await Bun.sleep(50);
  expect(await client.head()).toBe(before);
  expect(await client.append("s", { type: "T" })).toMatchObject({ position: before + 1 });
});

test("a body that is announced as too large is refused before it is sent", async () => {
  const socket = await open();
  socket.write(head(1_000_000_000));
  expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
});

test("a request without a host is answered, as balancers send it", async () => {
  for (const path of ["/health", "/events?limit=1", "/streams"]) {
    const socket = await open();
    socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  }
});

test("a follower that does not read costs no memory, and sees everything when it does", async () => {
  const client = createClient({ url });
  const start = await client.head();
  const socket = await open();
  socket.pause();
  socket.write(
    `GET /events?lastEventId=${start} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n`,
  );
  await Bun.sleep(50);
  Bun.gc(true);
  const memory = process.memoryUsage().rss;
  // Far more than the kernel's buffers and the ring of recent events hold.
  // Larger bodies would have a thread read them, whose memory is measured as well.
  const [batches, events, data] = [400, 10, "x".repeat(20_000)];
  for (let batch = 0; batch < batches; batch += 1) {
    await client.append(
      `batch-${batch}`,
      Array.from({ length: events }, () => ({ type: "T", data })),
    );
  }
  Bun.gc(true);
  const written = batches * events * data.length;
  // The database is in this process's memory too; the rest of the memory must not grow with the written bytes.
  expect(process.memoryUsage().rss - memory).toBeLessThan(written * 1.8);

  const seen = new Set<number>();
  let rest = "";
  await new Promise<void>((resolve) => {
    socket.on("data", (bytes) => {
      const text = rest + bytes.toString();
      const lines = text.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("id: ")) seen.add(Number.parseInt(line.slice(4), 10));
      if (seen.size === batches * events) resolve();
    });
    socket.on("close", () => resolve());
    socket.resume();
  });
  socket.destroy();
  expect([...seen]).toEqual(Array.from({ length: batches * events }, (_, n) => start + 1 + n));
}, 60_000);
