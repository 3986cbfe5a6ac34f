/*
 * A receiver of webhooks that does as little as a server can: it counts whole requests on raw sockets and answers each
 * with 204. It prints nothing; a GET returns the count. Connections send one request at a time.
 */

const HEAD_END = Buffer.from("\r\n\r\n");
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const ANSWER = Buffer.from("HTTP/1.1 204 No Content\r\n\r\n");

interface Lane {
  /** The beginning of a request whose head is not whole. */
  head: Buffer | null;
  bodyBytesMissing: number;
}

let received = 0;

function answerGet(socket: Bun.Socket<Lane>): void {
  const body = String(received);
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

function takeHead(socket: Bun.Socket<Lane>, bytes: Buffer): void {
  const lane = socket.data;
  const head = lane.head === null ? bytes : Buffer.concat([lane.head, bytes]);
  const end = head.indexOf(HEAD_END);
  if (end === -1) {
    // The socket's buffer is used again for the next bytes.
    lane.head = Buffer.from(head);
    return;
  }
  lane.head = null;
  const text = head.toString("latin1", 0, end);
  if (text.startsWith("GET ")) return answerGet(socket);
  const length = Number(CONTENT_LENGTH.exec(text)?.[1] ?? 0);
  lane.bodyBytesMissing = length - (head.length - end - HEAD_END.length);
}

Bun.listen<Lane>({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  socket: {
    open(socket) {
      socket.data = { head: null, bodyBytesMissing: 0 };
    },
    data(socket, bytes) {
      const lane = socket.data;
      const before = lane.bodyBytesMissing;
      if (before > 0) lane.bodyBytesMissing -= bytes.length;
      else {
        takeHead(socket, bytes);
        if (lane.head !== null || bytes.toString("latin1", 0, 4) === "GET ") return;
      }
      if (lane.bodyBytesMissing > 0) return;
      received += 1;
      socket.write(ANSWER);
    },
  },
});
