import { describe, expect, test } from "bun:test";

import type { FailureCategory } from "../../../src/webhooks/egress/outgoing.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { cleanUp, dnsServer, egress, outcome, post, rawServer } from "./support.ts";
import { eventually } from "../../support/eventually.ts";

cleanUp();

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const okServer = (host?: string) => rawServer((_, write) => write(OK), host);

describe("a name", () => {
  test("is resolved once, and the connection is pinned to the checked address", async () => {
    // DNS rebinding: each question gets another answer than the one before.
    const dns = await dnsServer((_, question) => [question === 1 ? "127.0.0.1" : "127.0.0.2"]);
    const server = await okServer();
    let later = 0;
    const { send } = egress({
      allow: ["127.0.0.1"],
      resolve: dns.resolve,
      clock: { ...systemClock, monotonic: () => systemClock.monotonic() + later },
    });
    const request = post(`http://rebind.test:${server.port}/hook?x=1`, { "x-a": "1" });
    for (let n = 0; n < 3; n += 1) expect(outcome(await send(request))).toBe(200);
    expect(dns.questions).toEqual(["rebind.test"]);
    // The first connection is the trial connection.
    const received = server.received.find(Boolean);
    expect(received).toMatch(/^POST \/hook\?x=1 HTTP\/1\.1\r\n/);
    expect(received).toContain(`Host: rebind.test:${server.port}\r\n`);
    expect(received).toContain("x-a: 1\r\n");
    // The address expires, and is then rejected, although the connection is still open.
    later = 6_000;
    expect(outcome(await send(request))).toBe("address-refused");
    expect(dns.questions).toHaveLength(2);
  });

  test("is reached at its public address, though the next question would give an internal one", async () => {
    const dns = await dnsServer((_, question) => [question === 1 ? "93.184.215.14" : "127.0.0.1"]);
    const connected: string[] = [];
    const { send } = egress({
      allow: [],
      resolve: dns.resolve,
      probe: async (address) => void connected.push(address),
      fetch: Object.assign(
        async (url: string | URL | Request) => {
          connected.push(url instanceof Request ? url.url : String(url));
          return new Response("ok");
        },
        { preconnect: () => {} },
      ),
    });
    expect(outcome(await send(post("https://rebind.test/a?b=c#d")))).toBe(200);
    expect(connected).toEqual(["93.184.215.14", "https://93.184.215.14/a?b=c"]);
    expect(dns.questions).toHaveLength(1);
  });

  test("gets a trial connection when it is new or was silent, and none while it answers", async () => {
    const server = await okServer();
    let nowMs = Date.now();
    let probes = 0;
    let questions = 0;
    const { send } = egress({
      clock: { ...systemClock, monotonic: () => nowMs },
      resolve: async () => [`127.0.0.${(questions += 1) < 4 ? 1 : 2}`],
      probe: async () => void (probes += 1),
    });
    const request = post(`http://a.test:${server.port}/`);
    const counts: (readonly [number, number])[] = [];
    for (const wait of [0, 4_000, 4_000, 20_000]) {
      nowMs += wait;
      expect(outcome(await send(request))).toBe(200);
      counts.push([questions, probes]);
    }
    expect(counts).toEqual([
      [1, 1],
      [1, 1],
      [2, 1],
      [3, 2],
    ]);
    // The name has moved: the new address is one that never answered.
    nowMs += 5_000;
    expect(outcome(await send(request))).toBe("connection");
    expect([questions, probes]).toEqual([4, 3]);
  });

  test.each([
    [["8.8.8.8", "10.0.0.1"]],
    [["10.0.0.1", "8.8.8.8"]],
    [["169.254.169.254"]],
    [["127.0.0.1"]],
    [["8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "1.0.0.1", "127.0.0.1"]],
  ])("is rejected with the addresses %j", async (addresses) => {
    const dns = await dnsServer(() => addresses);
    const { send } = egress({
      allow: [],
      resolve: dns.resolve,
      probe: () => Promise.reject(new Error("must not be connected to")),
    });
    expect(outcome(await send(post("http://mixed.test/")))).toBe("address-refused");
  });

  test("is rejected without an address", async () => {
    const dns = await dnsServer(() => []);
    const answer = await egress({ resolve: dns.resolve }).send(post("http://none.test/"));
    expect(answer).toEqual({ kind: "failed", category: "dns", sent: false, durationMs: expect.any(Number) });
    expect(outcome(await egress({ resolve: async () => [] }).send(post("http://none.test/")))).toBe("dns");
  });

  test("is resolved as the system does", async () => {
    const server = await okServer();
    expect(outcome(await egress().send(post(`http://localhost:${server.port}/`)))).toBe(200);
    expect(outcome(await egress({ allow: [] }).send(post(`http://localhost:${server.port}/`)))).toBe(
      "address-refused",
    );
    // The system decides whether the name is found, and at which address.
    expect(["address-refused", "dns"]).toContain(
      outcome(await egress({ allow: [] }).send(post(`http://localhost.:${server.port}/`))) as string,
    );
    expect(outcome(await egress().send(post("http://does-not-exist.invalid/")))).toBe("dns");
  });

  test("is reached at another address when the first is dead", async () => {
    const server = await okServer("127.0.0.1");
    const { send } = egress({ resolve: async () => ["127.0.0.9", "127.0.0.1"] });
    expect(outcome(await send(post(`http://two.test:${server.port}/`)))).toBe(200);
  });
});

test("two names on one address share it, each under its own name", async () => {
  const server = await okServer();
  const { send } = egress({ resolve: async () => ["127.0.0.1"] });
  for (const name of ["a.test", "b.test", "a.test"]) {
    expect(outcome(await send(post(`http://${name}:${server.port}/`)))).toBe(200);
  }
  const hosts = [...server.received.join("").matchAll(/Host: ([^:]+)/g)].map(([, name]) => name);
  expect(hosts).toHaveLength(3);
  expect(new Set(hosts)).toEqual(new Set(["a.test", "b.test"]));
});

test("many requests go over few connections", async () => {
  const server = await okServer();
  const { send } = egress();
  const url = `http://127.0.0.1:${server.port}/`;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let n = 0; n < 50; n += 1) expect(outcome(await send(post(url)))).toBe(200);
    }),
  );
  expect(server.connections()).toBeLessThanOrEqual(8 * 2 + 1);
});

test.each([
  ["http://2130706433:PORT/"],
  ["http://0x7f.1:PORT/"],
  ["http://017700000001:PORT/"],
  ["http://127.1:PORT/"],
  ["http://[::ffff:127.0.0.1]:PORT/"],
  ["http://user:password@127.0.0.1:PORT/"],
  ["ftp://127.0.0.1:PORT/"],
  ["nonsense"],
])("%s is not connected to", async (url) => {
  const server = await okServer();
  const target = post(url.replace("PORT", String(server.port)));
  expect(outcome(await egress({ allow: [] }).send(target))).toBe("address-refused");
  expect(server.connections()).toBe(0);
});

describe("time", () => {
  test("is limited for connecting alone", async () => {
    const { send } = egress({
      connectTimeoutMs: 100,
      probe: (_, __, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("late")))),
    });
    expect(outcome(await send(post("http://127.0.0.1:1/")))).toBe("timeout");
  });

  test("is limited for connecting, including resolving", async () => {
    const { send } = egress({ connectTimeoutMs: 100, resolve: () => new Promise(() => {}) });
    expect(outcome(await send(post("http://slow.test/")))).toBe("timeout");
  });

  test("a refused connection is a failure", async () => {
    const server = await rawServer((socket) => socket.destroy());
    expect(outcome(await egress().send(post(`http://127.0.0.1:${server.port}/`)))).toBe("connection");
    expect(outcome(await egress().send(post("http://127.0.0.1:1/")))).toBe("connection");
  });

  test("a caller that aborts gets the reason, and the connection is closed", async () => {
    const server = await rawServer(() => {});
    const giveUp = new AbortController();
    const { send } = egress();
    const sent = send(post(`http://127.0.0.1:${server.port}/`), giveUp.signal);
    await eventually(() => server.received.length > 0);
    giveUp.abort(new Error("stopping"));
    await expect(sent).rejects.toThrow("stopping");
    await expect(send(post(`http://127.0.0.1:${server.port}/`), giveUp.signal)).rejects.toThrow("stopping");
    await eventually(() => server.open() === 0);
  });

  test("closing cuts off requests in flight", async () => {
    const server = await rawServer(() => {});
    const { send, close } = egress();
    const sent = send(post(`http://127.0.0.1:${server.port}/`));
    await eventually(() => server.received.length > 0);
    close();
    expect(outcome(await sent)).toBe("timeout");
    expect(outcome(await send(post(`http://127.0.0.1:${server.port}/`)))).toBe("timeout");
  });
});

test("a failure reports its category, and nothing else", async () => {
  const categories: FailureCategory[] = ["address-refused", "dns", "connection"];
  const resolve = async (name: string) => {
    if (name === "dns.test") throw new Error("secret.internal is unknown to 10.1.2.3");
    return [name === "connection.test" ? "127.0.0.1" : "10.1.2.3"];
  };
  const { send } = egress({ allow: ["127.0.0.1"], resolve });
  for (const category of categories) {
    const answer = await send(post(`http://${category}.test:1/`));
    expect(answer).toEqual({ kind: "failed", category, sent: false, durationMs: expect.any(Number) });
  }
});

test("an OPTIONS request has no body", async () => {
  const server = await okServer();
  const { send } = egress();
  const request = {
    method: "OPTIONS",
    url: `http://127.0.0.1:${server.port}/`,
    headers: { "webhook-request-origin": "k" },
    body: null,
  } as const;
  expect(outcome(await send(request))).toBe(200);
  expect(server.received.join("")).toMatch(
    /^OPTIONS \/ HTTP\/1\.1\r\n[\s\S]*webhook-request-origin: k\r\n[\s\S]*\r\n\r\n$/,
  );
});
