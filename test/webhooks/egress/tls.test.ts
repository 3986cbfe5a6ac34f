import { beforeAll, describe, expect, test } from "bun:test";

import {
  type Certificate,
  certificate,
  cleanUp,
  closing,
  egress,
  outcome,
  post,
  rawServer,
} from "./support.ts";

cleanUp();

let authority: Certificate;
beforeAll(async () => {
  authority = await certificate();
});

interface Seen {
  readonly host: string | null;
  readonly port: number | undefined;
}

function tlsServer(certificates: readonly (Certificate & { readonly serverName?: string })[]) {
  const seen: Seen[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: certificates.map((each) => each),
    async fetch(request, { requestIP }) {
      await request.text();
      seen.push({ host: request.headers.get("host"), port: requestIP.call(server, request)?.port });
      return new Response("ok");
    },
  });
  closing(() => server.stop(true));
  return { port: server.port, seen };
}

const trusting = (ca = authority.cert) => egress({ ca, resolve: async () => ["127.0.0.1"] });

describe("a certificate", () => {
  test("is accepted for the name, although the connection goes to the address", async () => {
    const server = tlsServer([await certificate({ names: ["a.test"], authority })]);
    const { send } = trusting();
    for (const name of ["a.test", "A.test", "a.test."]) {
      expect(outcome(await send(post(`https://${name}:${server.port}/`)))).toBe(200);
    }
    expect(server.seen[0]?.host).toBe(`a.test:${server.port}`);
  });

  test("is rejected for another name, though a connection to the address is kept", async () => {
    const server = tlsServer([await certificate({ names: ["a.test"], authority })]);
    const { send } = trusting();
    for (let n = 0; n < 3; n += 1) {
      expect(outcome(await send(post(`https://a.test:${server.port}/`)))).toBe(200);
      expect(outcome(await send(post(`https://b.test:${server.port}/`)))).toBe("tls");
      expect(outcome(await send(post(`https://127.0.0.1:${server.port}/`)))).toBe("tls");
    }
    expect(server.seen.map(({ host }) => host)).toEqual(Array(3).fill(`a.test:${server.port}`));
  });

  test("is asked for by name: two names on one address, each with its own", async () => {
    const [a, b] = await Promise.all(
      ["a.test", "b.test"].map((name) => certificate({ names: [name], authority })),
    );
    if (a === undefined || b === undefined) throw new Error("no certificates");
    const server = tlsServer([
      { ...a, serverName: "a.test" },
      { ...b, serverName: "b.test" },
    ]);
    const { send } = trusting();
    const names = ["a.test", "b.test", "a.test", "b.test"];
    for (const name of names) expect(outcome(await send(post(`https://${name}:${server.port}/`)))).toBe(200);
    expect(server.seen.map(({ host }) => host)).toEqual(names.map((name) => `${name}:${server.port}`));
    // Connections are kept, and never shared by two names.
    const ports = server.seen.map(({ port }) => port);
    expect([ports[0] === ports[2], ports[1] === ports[3], ports[0] === ports[1]]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("is accepted for an address at that address", async () => {
    const server = tlsServer([await certificate({ addresses: ["127.0.0.1"], authority })]);
    expect(outcome(await trusting().send(post(`https://127.0.0.1:${server.port}/`)))).toBe(200);
    expect(outcome(await trusting().send(post(`https://a.test:${server.port}/`)))).toBe("tls");
  });

  test("is rejected when it has expired, or has no trusted authority", async () => {
    const yesterday = new Date(Date.now() - 86_400_000);
    const expired = await certificate({ names: ["a.test"], authority, notAfterDate: yesterday });
    const stranger = await certificate({ names: ["a.test"], authority: await certificate() });
    const selfSigned = await certificate({ names: ["a.test"] });
    for (const bad of [expired, stranger, selfSigned]) {
      const server = tlsServer([bad]);
      expect(outcome(await trusting().send(post(`https://a.test:${server.port}/`)))).toBe("tls");
      expect(server.seen).toEqual([]);
    }
  });

  test("is checked by the public authorities by default", async () => {
    const server = tlsServer([await certificate({ names: ["a.test"], authority })]);
    const { send } = egress({ resolve: async () => ["127.0.0.1"] });
    expect(outcome(await send(post(`https://a.test:${server.port}/`)))).toBe("tls");
    expect(server.seen).toEqual([]);
  });
});

test("a server that does not speak TLS receives nothing of the request", async () => {
  const server = await rawServer((_, write) => write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const answer = await trusting().send(post(`https://a.test:${server.port}/secret-path`));
  expect(outcome(answer)).toBe("tls");
  expect(server.received.join("")).not.toContain("secret-path");
});
