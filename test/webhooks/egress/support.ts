import { afterEach } from "bun:test";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";

import { type Answer as DnsAnswer, AUTHORITATIVE_ANSWER, decode, encode } from "dns-packet";
import { generate } from "selfsigned";

import { createEgress, type Egress, type EgressOptions } from "../../../src/webhooks/egress/egress.ts";
import type { EndpointAnswer, Outgoing } from "../../../src/webhooks/egress/outgoing.ts";
import type { Resolve } from "../../../src/webhooks/egress/resolve.ts";
import { systemClock } from "../../../src/core/system-clock.ts";

const closers: (() => unknown)[] = [];

/** Closes the resources that the tests of a file open. Each file calls it, since hooks belong to a file. */
export function cleanUp(): void {
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });
}

export function closing(close: () => unknown): void {
  closers.push(close);
}

export const LOOPBACK = ["127.0.0.0/8", "::1"] as const;

export function egress(options: Partial<EgressOptions> = {}): Egress {
  const opened = createEgress({ allow: LOOPBACK, clock: systemClock, ...options });
  closing(() => opened.close());
  return opened;
}

export function post(url: string, headers: Record<string, string> = {}): Outgoing {
  return { method: "POST", url, headers, body: '{"n":1}' };
}

/** The relevant part of an answer: its status, or the category of the failure. */
export function outcome(answer: EndpointAnswer): number | string {
  return answer.kind === "answered" ? answer.status : answer.category;
}

export interface RawServer {
  readonly port: number;
  /** The received text, by connection. */
  readonly received: string[];
  readonly connections: () => number;
  /** Bytes that it has written. */
  readonly written: () => number;
  readonly open: () => number;
}

/** A server of raw bytes: `answer` writes the answer to each request. */
export async function rawServer(
  answer: (socket: Socket, write: (bytes: string | Uint8Array) => boolean) => void,
  host = "127.0.0.1",
): Promise<RawServer> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let written = 0;
  const server = createServer((socket) => {
    const index = connections;
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      received[index] = (received[index] ?? "") + bytes.toString();
      answer(socket, (text) => {
        written += text.length;
        return socket.write(text);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  closing(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, received, connections: () => connections, written: () => written, open: () => sockets.size };
}

/** Writes the same bytes for as long as the other side reads them. */
export function flood(socket: Socket, write: (bytes: string) => boolean, text: string): void {
  const more = (): void => {
    while (!socket.destroyed && write(text)) {
      // Until the buffer is full.
    }
  };
  socket.on("drain", more);
  more();
}

export interface DnsServer {
  /** Resolves names with this server. */
  readonly resolve: Resolve;
  /** Names in the questions it received. */
  readonly questions: string[];
}

/** A name server: `answer` returns the addresses of a name, for each question again. */
export async function dnsServer(
  answer: (name: string, question: number) => readonly string[],
): Promise<DnsServer> {
  const questions: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (message, { port, address }) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    if (question === undefined) return;
    questions.push(question.name);
    const type = question.type === "AAAA" ? "AAAA" : "A";
    const answers = answer(question.name, questions.length)
      .filter((data) => data.includes(":") === (type === "AAAA"))
      .map((data): DnsAnswer => ({ type, name: question.name, ttl: 0, data }));
    const reply = { type: "response", id: query.id ?? 0, flags: AUTHORITATIVE_ANSWER } as const;
    socket.send(encode({ ...reply, questions: [question], answers }), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  closing(() => socket.close());
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return { questions, resolve: (hostname) => resolver.resolve4(hostname) };
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

interface CertificateOptions {
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  readonly authority?: Certificate;
  readonly notAfterDate?: Date;
}

/** A certificate for names; without an authority, it is one itself. */
export async function certificate(options: CertificateOptions = {}): Promise<Certificate> {
  const { names = [], addresses = [], authority, notAfterDate } = options;
  const altNames = [
    ...names.map((value) => ({ type: 2 as const, value })),
    ...addresses.map((ip) => ({ type: 7 as const, ip })),
  ];
  const made = await generate([{ name: "commonName", value: names[0] ?? addresses[0] ?? "Authority" }], {
    keyType: "ec",
    algorithm: "sha256",
    ...(notAfterDate === undefined
      ? {}
      : { notBeforeDate: new Date(notAfterDate.getTime() - 86_400_000), notAfterDate }),
    ...(authority === undefined ? {} : { ca: authority }),
    extensions:
      altNames.length === 0
        ? [
            { name: "basicConstraints", cA: true },
            { name: "keyUsage", keyCertSign: true },
          ]
        : [{ name: "subjectAltName", altNames }],
  });
  return { key: made.private, cert: made.cert };
}
