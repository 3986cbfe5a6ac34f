import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

import { type Client, type ClientOptions, createClient } from "../../../src/client/index.ts";

/** The surroundings of one scenario, in any runtime. */
export interface World {
  /** Address of a Kilde server. */
  readonly kilde: string;
  /** A certificate that nobody trusts, and its key, in PEM. */
  readonly certificate: { readonly cert: string; readonly key: string };
  /** A client with the transport of the scenario. */
  client(url: string, options?: Partial<ClientOptions>): Client;
  /** A server that handles HTTP; returns its address and the number of connections that it accepted. */
  http(handle: RequestListener, host?: string): Promise<{ url: string; connections: () => number }>;
  /** A server that handles each piece of bytes that arrives. */
  tcp(handle: (socket: Socket, text: string) => void): Promise<{ url: string; closed: () => number }>;
  /** Stops a server at the end of the scenario. */
  onEnd(server: Server, sockets: Set<Socket>): void;
}

const RETRY = { attempts: 2, delayMs: 1, maxDelayMs: 2 };

export function createWorld(
  kilde: string,
  certificate: World["certificate"],
  transport: Partial<ClientOptions>,
): World & { readonly end: () => void } {
  const ends: (() => void)[] = [];
  const listen = async (server: Server, host: string): Promise<{ url: string; sockets: Set<Socket> }> => {
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => sockets.add(socket));
    await new Promise<void>((listening, failed) => {
      server.on("error", failed);
      server.listen(0, host, listening);
    });
    world.onEnd(server, sockets);
    const { port } = server.address() as AddressInfo;
    return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, sockets };
  };
  const world: World & { readonly end: () => void } = {
    kilde,
    certificate,
    client: (url, options = {}) => createClient({ url, retry: RETRY, ...transport, ...options }),
    async http(handle, host = "127.0.0.1") {
      const { url, sockets } = await listen(createHttpServer(handle), host);
      return { url, connections: () => sockets.size };
    },
    async tcp(handle) {
      let closed = 0;
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.on("close", () => (closed += 1));
        socket.on("data", (bytes) => handle(socket, bytes.toString("latin1")));
      });
      const { url } = await listen(server, "127.0.0.1");
      return { url, closed: () => closed };
    },
    onEnd(server, sockets) {
      ends.push(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
    },
    end() {
      for (const end of ends) end();
    },
  };
  return world;
}
