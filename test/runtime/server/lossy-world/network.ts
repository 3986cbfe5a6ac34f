import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * A lossy network between programs and a server. It reads requests, so that it can treat each as networks, proxies
 * and impatient clients do: lose it, lose its answer, send it twice, or deliver it long after its sender gave up.
 */

/** The fate of a request. */
export type Fate = "through" | "lost" | "unanswered" | "reset" | "doubled" | "late" | "delayed";

export type Weather =
  /** Each request meets a fate by chance, this share of them another one than `through`. */
  | { readonly kind: "lossy"; readonly share: number }
  /** Connections break, and new ones are refused. */
  | { readonly kind: "refusing" }
  /** Connections go silent permanently, new ones too: they are accepted, and nothing arrives. */
  | { readonly kind: "silent" };

export interface Network {
  readonly url: string;
  /** How often each fate occurred. */
  readonly fates: ReadonlyMap<Fate, number>;
  /** Requests that meet nothing but a fate of chance from now on go to this address. */
  leadTo(url: string): void;
  set(weather: Weather): void;
  stop(): Promise<void>;
}

const UNUSUAL: readonly Fate[] = ["lost", "unanswered", "reset", "doubled", "late", "delayed"];

/** Longest delay of a request that is late, and of its answer. */
const MAX_LATE_MS = 2_000;
const MAX_DELAY_MS = 500;

/** Share of the chunks of a long answer, such as an event stream, that break its connection in lossy weather. */
const CUT_SHARE = 0.02;

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes of a request that is not complete. */
  pending: Buffer;
  fate: Fate;
  isSilent: boolean;
  /** Chunks of the answer to the last request. */
  chunks: number;
}

/** Whether the bytes are a whole request: by its `Content-Length`, or by its last chunk. */
function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const head = bytes.subarray(0, end).toString("latin1");
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= end + 4 + Number(length);
  return !/^transfer-encoding:/im.test(head) || bytes.subarray(-5).toString("latin1") === "0\r\n\r\n";
}

/** Whether the request may arrive again, or late: its receiver recognizes it, or the database refuses it. */
function isRepeatable(bytes: Buffer): boolean {
  return /^(GET|HEAD) |^(idempotency-key|webhook-id): |"expectedVersion":/im.test(bytes.toString("latin1"));
}

/** Sends a request that nobody waits for. */
function sendUnheard(target: string, bytes: Buffer): void {
  const { hostname, port } = new URL(target);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.on("error", () => socket.destroy());
  socket.on("data", () => socket.destroy());
  socket.on("connect", () => socket.write(bytes));
}

/** Stands before a server. */
export async function startNetwork(target: string, chance: () => number): Promise<Network> {
  let goal = target;
  let weather: Weather = { kind: "lossy", share: 0 };
  const links = new Set<Link>();
  const fates = new Map<Fate, number>();

  const breakOff = (link: Link, how: "destroy" | "resetAndDestroy" = "destroy") => {
    links.delete(link);
    link.client[how]();
    link.server.destroy();
  };

  const fateOf = (bytes: Buffer): Fate => {
    if (weather.kind !== "lossy" || chance() >= weather.share) return "through";
    const fate = UNUSUAL[Math.floor(chance() * UNUSUAL.length)] ?? "through";
    return (fate === "doubled" || fate === "late") && !isRepeatable(bytes) ? "unanswered" : fate;
  };

  /** Passes a whole request on, or not. */
  const passRequest = (link: Link, bytes: Buffer) => {
    link.fate = fateOf(bytes);
    link.chunks = 0;
    fates.set(link.fate, (fates.get(link.fate) ?? 0) + 1);
    switch (link.fate) {
      case "lost":
        return breakOff(link);
      case "late":
        setTimeout(() => sendUnheard(goal, bytes), chance() * MAX_LATE_MS);
        return breakOff(link);
      case "doubled":
        setTimeout(() => sendUnheard(goal, bytes), chance() * MAX_LATE_MS);
        break;
      case "delayed":
        setTimeout(() => link.server.write(bytes), chance() * MAX_DELAY_MS);
        return;
      case "through":
      case "unanswered":
      case "reset":
        break;
    }
    link.server.write(bytes);
  };

  const onRequestBytes = (link: Link, bytes: Buffer) => {
    if (link.isSilent) return;
    link.pending = Buffer.concat([link.pending, bytes]);
    if (!isWhole(link.pending)) return;
    const request = link.pending;
    link.pending = Buffer.alloc(0);
    passRequest(link, request);
  };

  const onAnswerBytes = (link: Link, bytes: Buffer) => {
    if (link.isSilent) return;
    link.chunks += 1;
    if (link.fate === "unanswered") return breakOff(link);
    const isCut = weather.kind === "lossy" && link.chunks > 1 && chance() < CUT_SHARE * weather.share * 10;
    if (link.fate === "reset" || isCut) {
      link.client.write(bytes.subarray(0, Math.floor(chance() * bytes.length)));
      setTimeout(() => breakOff(link, "resetAndDestroy"), 1);
      return;
    }
    link.client.write(bytes);
  };

  const listener = createServer((client) => {
    if (weather.kind === "refusing") {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(goal);
    const server = createConnection({ host: hostname, port: Number(port) });
    const isSilent = weather.kind === "silent";
    const link: Link = { client, server, pending: Buffer.alloc(0), fate: "through", isSilent, chunks: 0 };
    links.add(link);
    client.on("data", (bytes) => onRequestBytes(link, bytes));
    server.on("data", (bytes) => onAnswerBytes(link, bytes));
    for (const socket of [client, server]) {
      socket.on("error", () => link.isSilent || breakOff(link));
      socket.on("close", () => link.isSilent || breakOff(link));
      socket.on("end", () => link.isSilent || breakOff(link));
    }
  });
  await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
  const { port } = listener.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    fates,
    leadTo(url) {
      goal = url;
    },
    set(next) {
      weather = next;
      if (next.kind === "silent") for (const link of links) link.isSilent = true;
      if (next.kind === "refusing") for (const link of Array.from(links)) breakOff(link);
    },
    async stop() {
      for (const link of Array.from(links)) breakOff(link);
      await new Promise<void>((closed) => listener.close(() => closed()));
    },
  };
}
