import { connect } from "node:net";

/** Opens a connection, and closes it. Rejects when the connection fails, or the signal aborts first. */
export type Probe = (address: string, port: number, signal: AbortSignal) => Promise<void>;

export const probeConnection: Probe = (address, port, signal) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    const abort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", reject);
    socket.once("connect", () => {
      resolve();
      socket.destroy();
    });
    socket.once("close", () => {
      signal.removeEventListener("abort", abort);
      reject(new Error("closed"));
    });
    if (signal.aborted) abort();
  });
