import { connect } from "node:tls";
import { parentPort, workerData } from "node:worker_threads";

/** The clients to start, and a counter of those that have connected, as far as the operating system does it alone. */
export interface ConnectingClients {
  readonly port: number;
  readonly clients: number;
  readonly connected: Int32Array<SharedArrayBuffer>;
}

/*
 * Clients in a thread of their own, which connect while the event loop of the server is busy. Posts their outcomes: the
 * first line of the answer, or the error.
 */

const { port, clients, connected } = workerData as ConnectingClients;

function request(): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () =>
      socket.write("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"),
    );
    const count = () => {
      Atomics.add(connected, 0, 1);
      Atomics.notify(connected, 0);
    };
    // In the next turn the first bytes are sent.
    socket.once("connect", () => setImmediate(count));
    socket.once("data", (data: Buffer) => resolve(data.toString().split("\r\n")[0] ?? ""));
    socket.once("error", (error: Error) => resolve(error.message));
  });
}

parentPort?.postMessage(await Promise.all(Array.from({ length: clients }, request)));
