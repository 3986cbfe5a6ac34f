import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

import { cleanUp, egress, flood, outcome, post, rawServer } from "./support.ts";
import { eventually } from "../../support/eventually.ts";

cleanUp();

const MIB = 1024 * 1024;
const at = (port: number) => post(`http://127.0.0.1:${port}/hook`);

describe("redirects", () => {
  test.each([301, 302, 303, 307, 308])("are answers with status %i, and are not followed", async (status) => {
    const target = await rawServer((_, write) => write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    for (const location of [`http://127.0.0.1:${target.port}/`, "http://169.254.169.254/"]) {
      const server = await rawServer((_, write) =>
        write(`HTTP/1.1 ${status} Moved\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`),
      );
      const answer = await egress().send(at(server.port));
      expect(outcome(answer)).toBe(status);
      expect(answer.kind === "answered" && answer.header("location")).toBe(location);
    }
    expect(target.connections()).toBe(0);
  });
});

describe("an answer without end", () => {
  test("is cut off at any size, and little of it is kept in memory", async () => {
    const server = await rawServer((socket, write) => {
      write("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
      flood(socket, write, "x".repeat(64 * 1024));
    });
    const { send } = egress();
    const before = process.memoryUsage().rss;
    for (let n = 0; n < 20; n += 1) expect(outcome(await send(at(server.port)))).toBe(200);
    await eventually(() => server.open() === 0);
    // 20 answers of 10 GB.
    expect(server.written()).toBeLessThan(20 * 16 * MIB);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
  });

  test.each([200, 500])(
    "counts with status %i though it comes a byte at a time, and its body is left after a second",
    async (status) => {
      const server = await rawServer((socket, write) => {
        write(`HTTP/1.1 ${status} X\r\nContent-Length: 10000000000\r\n\r\n`);
        const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : write("x")), 20);
      });
      const answer = await egress({ timeoutMs: 60_000 }).send(at(server.port));
      expect(outcome(answer)).toBe(status);
      expect(answer.durationMs).toBeGreaterThanOrEqual(990);
      await eventually(() => server.open() === 0);
    },
  );

  test("is cut off in its headers, a byte at a time", async () => {
    const server = await rawServer((socket, write) => {
      const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : write("H")), 20);
    });
    expect(outcome(await egress({ timeoutMs: 200 }).send(at(server.port)))).toBe("timeout");
    await eventually(() => server.open() === 0);
  });

  test.each([
    ["headers", `x-${"a".repeat(500)}: ${"b".repeat(500)}\r\n`],
    ["one header", "b".repeat(64 * 1024)],
    ["short headers", "a: b\r\n".repeat(1_000)],
  ])("is cut off in %s", async (_, text) => {
    const server = await rawServer((socket, write) => {
      write("HTTP/1.1 200 OK\r\nx: ");
      flood(socket, write, text);
    });
    const before = process.memoryUsage().rss;
    expect(outcome(await egress().send(at(server.port)))).toBe("protocol");
    await eventually(() => server.open() === 0);
    expect(server.written()).toBeLessThan(64 * MIB);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
  });

  test("is cut off after informational answers", async () => {
    const server = await rawServer((socket, write) =>
      flood(socket, write, "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000)),
    );
    const before = process.memoryUsage().rss;
    expect(["timeout", "protocol", "connection"]).toContain(
      outcome(await egress({ timeoutMs: 500 }).send(at(server.port))) as string,
    );
    await eventually(() => server.open() === 0);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
  });

  test("is cut off when nothing arrives at all", async () => {
    const server = await rawServer(() => {});
    expect(outcome(await egress({ timeoutMs: 100 }).send(at(server.port)))).toBe("timeout");
    await eventually(() => server.open() === 0);
  });
});

test("a gzip bomb is neither asked for nor inflated", async () => {
  const bomb = gzipSync(Buffer.alloc(512 * MIB), { level: 9 });
  const server = await rawServer((_, write) => {
    write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`);
    write(bomb);
  });
  const { send } = egress({ mostBytes: 1_000_000 });
  const before = process.memoryUsage().rss;
  expect(outcome(await send(at(server.port)))).toBe(200);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
  expect(server.received.join("").toLowerCase()).not.toContain("accept-encoding");
});

test.each(["-5", "zz"])("a malformed body does no harm: %j", async (chunk) => {
  const server = await rawServer((_, write) =>
    write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}\r\n`),
  );
  expect(["protocol", 200]).toContain(
    outcome(await egress({ timeoutMs: 2_000 }).send(at(server.port))) as string,
  );
});

test("a body that breaks off does not change the status", async () => {
  const server = await rawServer((socket, write) => {
    write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx");
    setTimeout(() => socket.destroy(), 50);
  });
  expect(outcome(await egress({ timeoutMs: 2_000 }).send(at(server.port)))).toBe(200);
});

test.each([
  ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "protocol"],
  ["HTTP/1.1 two hundred\r\n\r\n", "protocol"],
])("an answer that is not HTTP is a failure: %j", async (text, category) => {
  const server = await rawServer((_, write) => write(text));
  expect(outcome(await egress({ timeoutMs: 2_000 }).send(at(server.port)))).toBe(category);
});

test("an answer larger than the read limit counts; bytes after it do not", async () => {
  const server = await rawServer((_, write) =>
    write(`HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 100000\r\n\r\n${"x".repeat(100_000)}`),
  );
  const answer = await egress().send(at(server.port));
  expect(outcome(answer)).toBe(503);
  expect(answer.kind === "answered" && answer.header("Retry-After")).toBe("7");
});

test("two answers to one request: the second answers nothing", async () => {
  const server = await rawServer((_, write) =>
    write("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"),
  );
  const { send } = egress();
  for (let n = 0; n < 5; n += 1) expect(outcome(await send(at(server.port)))).toBe(204);
});
