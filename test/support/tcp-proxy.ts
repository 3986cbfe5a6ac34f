import { createConnection, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/*
 * A network between a program and a server: each connection is passed on byte by byte, unless the weather is
 * another.
 */

/** The treatment of connections and bytes. */
export type Weather =
  | { readonly kind: "fine" }
  /** Connections are broken off, and new ones are not taken. */
  | { readonly kind: "refusing" }
  /**
   * Nothing arrives in either direction; of some, requests with a text. They arrive when the weather
   * changes, as after a partition.
   */
  | { readonly kind: "frozen"; readonly to?: string }
  /**
   * Connections go silent permanently: nothing arrives any more, in either direction, also after the weather changed, and
   * nobody closes them. New connections are accepted, and go silent as well.
   */
  | { readonly kind: "silent" }
  /** Requests arrive at once, answers so many milliseconds later; of some, answers to requests with a text alone. */
  | { readonly kind: "slow"; readonly answerMs: number; readonly to?: string }
  /** Connections break off within a request or within an answer, after a number of bytes that is chosen by chance. */
  | { readonly kind: "cutting"; readonly chance: () => number };

export interface TcpProxy {
  readonly url: string;
  set(weather: Weather): void;
  /** How often a text was sent to the server since the start. */
  count(text: string): number;
  stop(): Promise<void>;
}

/** How many of the chunks break a connection while it is cutting, and within how many bytes. */
const CUT_SHARE = 0.1;

/** How often it is looked whether the weather has changed. */
const LOOK_MS = 5;

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** The last request of the client. */
  request: string;
  isSilent: boolean;
}

/** Stands before the server at a URL. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  let weather: Weather = { kind: "fine" };
  const links = new Set<Link>();
  const counts = new Map<string, number>();
  const watched = new Set<string>();
  let stopped = false;

  const breakOff = (link: Link) => {
    links.delete(link);
    link.client.destroy();
    link.server.destroy();
  };

  /** Passes on what one side sends to the other, in order. */
  const pass = (link: Link, from: Socket, to: Socket, isAnswer: boolean) => {
    let before = Promise.resolve();
    const send = async (bytes: Buffer, arrived: number) => {
      while (weather.kind === "frozen" && link.request.includes(weather.to ?? "") && !stopped)
        await Bun.sleep(LOOK_MS);
      if (weather.kind === "refusing") breakOff(link);
      if (link.isSilent) return;
      if (weather.kind === "slow" && isAnswer && link.request.includes(weather.to ?? ""))
        await Bun.sleep(Math.max(0, arrived + weather.answerMs - Date.now()));
      if (to.destroyed) return;
      if (weather.kind === "cutting" && weather.chance() < CUT_SHARE) {
        to.write(bytes.subarray(0, Math.floor(weather.chance() * bytes.length)), () => breakOff(link));
        return;
      }
      to.write(bytes);
    };
    from.on("data", (bytes: Buffer) => {
      if (!isAnswer) {
        const text = bytes.toString("latin1");
        link.request = /^(GET|POST) /.test(text) ? text : link.request + text;
        for (const word of watched) counts.set(word, (counts.get(word) ?? 0) + text.split(word).length - 1);
      }
      const arrived = Date.now();
      before = before.then(() => send(bytes, arrived));
    });
    const end = () => void before.then(() => link.isSilent || breakOff(link));
    from.on("end", end);
    from.on("close", end);
    from.on("error", () => {});
  };

  const listener = createServer((client) => {
    if (weather.kind === "refusing") {
      client.destroy();
      return;
    }
    const server = createConnection({ host: hostname, port: Number(port) });
    const link: Link = { client, server, request: "", isSilent: weather.kind === "silent" };
    links.add(link);
    pass(link, client, server, false);
    pass(link, server, client, true);
  });
  await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
  const address = listener.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    set(next) {
      weather = next;
      if (next.kind === "silent") for (const link of links) link.isSilent = true;
      if (next.kind === "refusing") for (const link of Array.from(links)) breakOff(link);
    },
    count(text) {
      watched.add(text);
      return counts.get(text) ?? 0;
    },
    async stop() {
      stopped = true;
      for (const link of Array.from(links)) breakOff(link);
      await new Promise<void>((closed) => listener.close(() => closed()));
    },
  };
}
