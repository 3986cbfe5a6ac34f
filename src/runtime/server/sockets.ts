import type { Settings } from "../../config/settings.ts";
import { failureResponse, type OnFault } from "../../http/pipeline/failures.ts";
import { REQUEST_ID_HEADER } from "../../http/pipeline/request-id.ts";
import { type Handlers, serveAsWritten } from "./raw-target.ts";
import { type TlsFiles, readTlsFiles } from "./tls-files.ts";

/** The application's limit answers with a problem, so the server's must not apply first. */
const MAX_REQUEST_BODY_BYTES = Number.MAX_SAFE_INTEGER;

type Socket = ReturnType<typeof Bun.serve>;

/** The sockets of a server: one, and while TLS is reloaded also those that end. */
export interface Sockets {
  readonly port: number;
  /** The address of the client that sent a request; null: the connection is closed already. */
  addressOf(request: Request): string | null;
  /** Reads the files of TLS again, for connections from now on. Throws a `TlsFileError`, and changes nothing. */
  reloadTls(): TlsFiles;
  /** Accepts no more connections, and resolves when all requests are answered. */
  stop(): Promise<void>;
  /** Ends all connections. */
  end(): Promise<void>;
}

export interface SocketsOptions {
  readonly settings: Settings;
  readonly handlers: Handlers;
  /** Called with each error that the pipeline did not catch. */
  readonly onFault: OnFault;
}

function tlsOf({ tlsCert, tlsKey }: Settings): TlsFiles | null {
  return tlsCert === undefined || tlsKey === undefined ? null : readTlsFiles(tlsCert, tlsKey);
}

/** Fails with EADDRINUSE if another process has the port, which sockets that share a port would not notice. */
function requireFreePort({ host: hostname, port }: Settings): void {
  if (port === 0) return;
  const probe = Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response(null) });
  void probe.stop(true);
}

/**
 * Listens on the port in the settings (0: any free port). Bun cannot change the certificate of a socket that listens, so a
 * reload opens a second socket on the same port (SO_REUSEPORT) and then closes the first one: open requests and event
 * streams end as they would, and new connections have the new certificate. The operating system resets the connections that it
 * made for the first socket and that this one has not accepted when it closes: such a client has to connect again.
 */
export function openSockets({ settings, handlers, onFault }: SocketsOptions): Sockets {
  const mounted = settings.tenants.flatMap(({ path }) => path ?? []);
  const tls = tlsOf(settings);
  if (tls !== null) requireFreePort(settings);
  const listenOn = (port: number, files: TlsFiles | null): Socket =>
    Bun.serve({
      ...serveAsWritten(handlers, mounted),
      hostname: settings.host,
      port,
      ...(files === null ? {} : { tls: { cert: files.cert, key: files.key } }),
      // Followers are silent between heartbeats.
      idleTimeout: 0,
      maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
      // In development, Bun answers with a page of source lines and paths.
      development: false,
      // By default, outside of development, Bun shares the port with another process that listens on it.
      reusePort: files !== null,
      error(error) {
        const requestId = crypto.randomUUID();
        const response = failureResponse(error, { requestId, path: "", basePath: "", onFault });
        response.headers.set(REQUEST_ID_HEADER, requestId);
        return response;
      },
    });
  let current = listenOn(settings.port, tls);
  const port = current.port ?? settings.port;
  const ending = new Set<Socket>();

  /**
   * Ends a socket that another one replaces, once it has accepted the connections that wait: the event loop looks for them
   * between the two callbacks. A longer wait would serve the former certificate to more of them.
   */
  const retire = (socket: Socket) => {
    ending.add(socket);
    setImmediate(() => setImmediate(() => void socket.stop().then(() => ending.delete(socket))));
  };

  return {
    port,
    addressOf(request) {
      for (const socket of [current, ...ending]) {
        const found = socket.requestIP(request);
        if (found !== null) return found.address;
      }
      return null;
    },
    reloadTls() {
      const files = tlsOf(settings);
      if (files === null) throw new Error("a server without TLS has no files to reload");
      const former = current;
      current = listenOn(port, files);
      retire(former);
      return files;
    },
    async stop() {
      await Promise.all([current, ...ending].map((socket) => socket.stop()));
    },
    async end() {
      await Promise.all([current, ...ending].map((socket) => socket.stop(true)));
    },
  };
}
