import { connect, type Socket } from "node:net";

/*
 * Opens many hostile connections to a server, and keeps them open until its standard input ends. A process of its own, so
 * that its work delays nobody who measures. Arguments: kind, port, connections. Prints a line of JSON: answers by status.
 */

const [kind = "", port = "", connections = "0"] = process.argv.slice(2);

const POST = "POST /streams/hostile HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const SSE = "Accept: text/event-stream\r\n";

const LINES = "POST /appends HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n";

function whole(body: string, head = POST): string {
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const members = Array.from({ length: 30_000 }, (_, n) => `"k${n}":${n}`).join(",");
const text = {
  metadata: whole(`{"events":[{"type":"A", "metadata":{${members}}}]}`),
  faults: whole(`{"events":[${"1,".repeat(950_000)}1]}`),
  numbers: whole(`{"events":[{"type":"A","data":[${"0,".repeat(7_500_000)}0]}]}`),
  objects: whole(
    `{"events":[${'{"type":"A","data":{}},'.repeat(9_000)}{"type":"A","data":[${"{},".repeat(300_000)}{}]}]}`,
  ),
  nested: whole(
    `{ "events" : [ { "type" : "A" , "data" : ${"[".repeat(7_500_000)}1${"]".repeat(7_500_000)} } ] }`,
  ),
  lines: whole("\n".repeat(16_000_000), LINES),
  chunks: `${POST}Transfer-Encoding: chunked\r\n\r\n${"1\r\n \r\n".repeat(100_000)}`,
  half: `${POST}Content-Length: 1000000\r\n\r\n{"events":[${" ".repeat(500_000)}`,
  started: `${POST}Content-Length: 1000\r\n\r\n{"ev`,
  headers: "GET /events HTTP/1.1\r\nHost: loc",
  pages: "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
  lists: "GET /streams?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  followers: `GET /events HTTP/1.1\r\nHost: localhost\r\n${SSE}\r\n`,
  waiting: `GET /events?type=None HTTP/1.1\r\nHost: localhost\r\n${SSE}\r\n`,
  head: `HEAD /events HTTP/1.1\r\nHost: localhost\r\n${SSE}\r\n`,
  host: "GET /events HTTP/1.1\r\nHost: [\r\n\r\n",
  consumers: "",
} as const;

export type HostileKind = keyof typeof text;

/** Kinds whose clients never read what they are answered. */
const DEAF = new Set<string>(["pages", "lists", "followers", "waiting"]);

const answers: Record<string, number> = {};
const count = (answer: string) => {
  answers[answer] = (answers[answer] ?? 0) + 1;
};

/** Requests that a connection makes, one after the other. */
const REQUESTS = kind === "consumers" ? 20 : 1;

function bytesOf(connection: number, request: number): string {
  if (kind !== "consumers") return text[kind as HostileKind];
  const name = `invented-${connection}-${request}`;
  return `GET /events?limit=1 HTTP/1.1\r\nHost: localhost\r\nKilde-Consumer: ${name}\r\n\r\n`;
}

function attack(connection: number): Promise<void> {
  return new Promise((resolve) => {
    let request = 0;
    const socket: Socket = connect(Number(port), "127.0.0.1", () => {
      if (DEAF.has(kind)) socket.pause();
      socket.write(bytesOf(connection, request));
      // Those who are answered nothing, or do not listen, are done with this.
      setTimeout(resolve, 3_000);
    });
    socket.on("data", (bytes) => {
      const status = /^HTTP\/1\.1 (\d+)/.exec(bytes.toString("latin1", 0, 16))?.[1];
      if (status === undefined) return;
      count(status);
      request += 1;
      if (request < REQUESTS) socket.write(bytesOf(connection, request));
      else resolve();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      count("closed");
      resolve();
    });
  });
}

await Promise.all(Array.from({ length: Number(connections) }, (_, index) => attack(index)));
console.log(JSON.stringify(answers));
for await (const _ of Bun.stdin.stream()) continue;
process.exit(0);
