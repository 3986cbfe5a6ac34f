import { connect } from "node:net";

export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** Sends a GET as it is written, which `fetch` would normalize, and returns the answer. */
export function rawGet(port: number, target: string | Uint8Array, host = "localhost"): Promise<RawAnswer> {
  const bytes = typeof target === "string" ? Buffer.from(target, "utf8") : Buffer.from(target);
  const head = ` HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(Buffer.concat([Buffer.from("GET "), bytes, Buffer.from(head, "latin1")])),
    );
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("error", reject);
    socket.on("close", () => {
      const [headers = "", body = ""] = text.split(/\r\n\r\n/, 2);
      resolve({ status: Number(/^HTTP\/1\.\d (\d{3})/.exec(headers)?.[1] ?? 0), headers, body });
    });
  });
}
