import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { createClient } from "../../../src/client/index.ts";
import { eventually } from "../../support/eventually.ts";
import { openServer } from "../../support/open-server.ts";

/**
 * Clients that neither send nor read, on real connections: they hold no more than the bounds permit, and not for
 * long.
 */

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

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

function openAt(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}

const APPEND = "POST /streams/s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

test("a body that does not arrive in time is answered with 408, and its connection is closed", async () => {
  const { url, port, close } = await openServer({ limits: { bodyTimeoutMs: 300 } });
  const starts = [
    `${APPEND}Content-Length: 1000\r\n\r\n{"events":`,
    `${APPEND}Content-Length: 500000\r\n\r\n{"events":${" ".repeat(100_000)}`,
    `${APPEND}Transfer-Encoding: chunked\r\n\r\n5\r\n{"eve\r\n`,
  ];
  for (const start of starts) {
    const socket = await openAt(port);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(start);
    const answer = await answerOf(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    await closed;
  }
  await eventually(async () => (await metric(url, "kilde_body_bytes")) === 0);
  await close();
});

test("bodies that stand still leave room for others, and make room when they have stood too long", async () => {
  const { url, port, close } = await openServer({
    limits: { bodiesBytes: 4 * 1024 * 1024, bodyBytes: 2_000_000 },
  });
  const standing: Socket[] = [];
  for (let count = 0; count < 8; count += 1) {
    const socket = await openAt(port);
    socket.on("error", () => {});
    socket.write(`${APPEND}Content-Length: 1500000\r\n\r\n${" ".repeat(900_000)}`);
    standing.push(socket);
  }
  await eventually(async () => (await metric(url, "kilde_body_bytes")) > 2 * 1024 * 1024);
  const append = (data: string) =>
    fetch(`${url}/streams/s`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ events: [{ type: "T", data }] }),
    });
  const started = performance.now();
  expect((await append("small")).status).toBe(201);
  const large = await append("x".repeat(900_000));
  // On a machine that is slow enough to have let two seconds pass, there is room already.
  if (performance.now() - started < 1_000) {
    expect(large.status).toBe(503);
    expect(large.headers.get("retry-after")).not.toBeNull();
  }
  await eventually(async () => (await append("x".repeat(900_000))).status === 201);
  for (const socket of standing) socket.destroy();
  await eventually(async () => (await metric(url, "kilde_body_bytes")) === 0);
  await close();
});

test("a body of one-byte chunks is read as any other", async () => {
  const { url, port, close } = await openServer({ limits: {} });
  const body = JSON.stringify({ events: [{ type: "T", data: "x".repeat(50_000) }] });
  const socket = await openAt(port);
  const chunks = Array.from(body, (character) => `1\r\n${character}\r\n`).join("");
  socket.write(`${APPEND}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
  expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 201 /);
  socket.destroy();
  expect(await createClient({ url }).head()).toBe(1);
  await close();
});

test("answers that nobody reads are bounded together, and those that stand still make room", async () => {
  const { url, port, close } = await openServer({
    limits: { answersBytes: 8 * 1024 * 1024, answerTimeoutMs: 1_500 },
  });
  const client = createClient({ url });
  // Far more than the kernel takes from the server for a connection.
  for (let batch = 0; batch < 12; batch += 1) {
    await client.append(
      "s",
      Array.from({ length: 12 }, () => ({ type: "T", data: "x".repeat(1_000_000) })),
    );
  }
  const sockets: Socket[] = [];
  const answers: string[] = [];
  for (const accept of ["application/json", "text/event-stream"]) {
    for (let count = 0; count < 10; count += 1) {
      const socket = await openAt(port);
      socket.on("error", () => {});
      socket.write(`GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: ${accept}\r\n\r\n`);
      socket.once("data", (bytes) => {
        answers.push(bytes.toString("latin1", 9, 12));
        socket.pause();
      });
      // A follower may be disconnected before it is sent anything.
      socket.once("close", () => answers.push("closed"));
      sockets.push(socket);
    }
  }
  await eventually(() => answers.length >= sockets.length);
  expect(answers).toContain("503");
  // One answer may be larger than its share where it is alone.
  expect(await metric(url, "kilde_answer_bytes")).toBeLessThanOrEqual(18 * 1024 * 1024);
  await eventually(async () => (await metric(url, "kilde_answer_bytes")) === 0);
  await eventually(async () => (await metric(url, "kilde_followers")) === 0);
  expect((await Array.fromAsync(client.read())).length).toBe(144);
  for (const socket of sockets) socket.destroy();
  await close();
}, 60_000);
