import type { Chance } from "./chance.ts";
import { hostileJson, hostileText, mutated } from "./hostile-text.ts";

/** A request as bytes, and what it may be answered. */
export interface RawRequest {
  readonly bytes: Buffer;
  /**
   * Whether the request may keep the server waiting: it asks for that, for events without end, or is incomplete. Retiring a
   * feed waits until other processes have recorded their readers.
   */
  readonly mayWait: boolean;
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "X"];

/** The parts of a body. */
type Content =
  | "none"
  | "append"
  | "cloudevent"
  | "batch"
  | "binary"
  | "transaction"
  | "entries"
  | "lines"
  | "commit"
  | "subscription"
  | "any";

/** The operations, those that write more often; `*` in a path becomes a name. */
const OPERATIONS: readonly (readonly [method: string, path: string, content: Content])[] = [
  ["POST", "/streams/*", "append"],
  ["POST", "/streams/*", "append"],
  ["POST", "/streams/*", "append"],
  ["POST", "/streams/*", "cloudevent"],
  ["POST", "/streams/*", "batch"],
  ["POST", "/streams/*", "binary"],
  ["POST", "/transactions", "transaction"],
  ["POST", "/appends", "entries"],
  ["POST", "/appends", "lines"],
  ["GET", "/streams/*", "none"],
  ["GET", "/streams", "none"],
  ["DELETE", "/streams/*", "none"],
  ["GET", "/events", "none"],
  ["GET", "/events/consumers", "none"],
  ["PUT", "/events/consumers/*", "commit"],
  ["DELETE", "/events/consumers/*", "none"],
  ["GET", "/events/consumers/*/lag", "none"],
  ["GET", "/overview", "none"],
  ["GET", "/changes", "none"],
  ["GET", "/appends/*", "none"],
  ["GET", "/feeds", "none"],
  ["GET", "/feeds/notes/v1", "none"],
  ["GET", "/feeds/by-author/v1", "none"],
  ["GET", "/feeds/by-author/v1/subjects", "none"],
  ["GET", "/feeds/by-author/v1/subjects/*", "none"],
  ["GET", "/feeds/notes/v1/subjects/*", "none"],
  ["GET", "/feeds/notes/v1/status", "none"],
  ["GET", "/feeds/notes/v1/schemas", "none"],
  ["PUT", "/feeds/notes/v1/consumers/*", "commit"],
  ["GET", "/feeds/*/v9", "none"],
  ["POST", "/subscriptions", "subscription"],
  ["GET", "/subscriptions", "none"],
  ["PATCH", "/subscriptions/*", "any"],
  ["POST", "/subscriptions/*/rewind", "any"],
  ["POST", "/subscriptions/*/blocked/*/skip", "any"],
  ["GET", "/asyncapi.json", "none"],
  ["GET", "/openapi.json", "none"],
  ["GET", "/docs", "none"],
  ["GET", "/docs/*", "none"],
  ["GET", "/health", "none"],
  ["GET", "/ready", "none"],
  ["GET", "/metrics", "none"],
  ["GET", "/problems/*", "none"],
  ["GET", "/*", "none"],
  ["GET", "*", "none"],
];

const PARAMETERS = [
  "lastEventId",
  "limit",
  "direction",
  "type",
  "subjectPrefix",
  "prefix",
  "cursor",
  "changedSince",
  "afterVersion",
  "toVersion",
  "asOf",
  "before",
  "reason",
  "force",
  "state",
  "status",
  "source",
  "key",
  "__proto__",
] as const;

const VALUES = [
  "0",
  "1",
  "5",
  "-1",
  "1.5",
  "null",
  "9007199254740993",
  "99999999999999999999",
  "3-0123456789abcdef",
  "1-",
  "-",
  "backwards",
  "true",
  "2026-01-31T12:00:00Z",
  "2026-01-31T12:00:00+14:00",
  "+275760-09-13T00:00:00.000Z",
  "",
] as const;

const MEDIA_TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "APPLICATION/JSON",
  "application/cloudevents+json",
  "application/cloudevents-batch+json",
  "text/plain",
  "application/x-ndjson",
  "*/*",
  "text/*;q=0",
  "text/html, application/json;q=0.1",
  ";",
  "",
] as const;

function encoded(chance: Chance, text: string): string {
  return chance.happens(0.7) ? encodeURIComponent(text.toWellFormed()) : text.replaceAll(/[\s\0]/g, "_");
}

function target(chance: Chance, pattern: string): string {
  const name = () => encoded(chance, chance.happens(0.7) ? `s-${chance.below(20)}` : hostileText(chance, 3));
  const path = pattern.replaceAll("*", name);
  const value = () => (chance.happens(0.7) ? chance.pick(VALUES) : hostileText(chance, 3));
  const query = chance.several(
    0,
    chance.pick([0, 0, 1, 3]),
    () => `${chance.pick(PARAMETERS)}=${encoded(chance, value())}`,
  );
  return path + (query.length > 0 ? `?${query.join("&")}` : "");
}

/** A header value as bytes that HTTP allows, and sometimes others. */
function headerValue(chance: Chance, values: readonly string[]): string {
  if (chance.happens(0.75)) return chance.pick(values);
  return hostileText(chance, 4).replaceAll(/[\r\n\0]/g, chance.happens(0.98) ? "_" : "\0");
}

const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ["Accept", MEDIA_TYPES],
  ["Accept-Encoding", ["gzip", "GZIP;q=1", "br, *;q=0", "identity;q=0"]],
  ["If-Match", ['"1"', "*", '"1-0123456789abcdef"', "1", 'W/"1"', '"0"', '"1","2"']],
  ["If-None-Match", ["*", '"1"', 'W/"5"', '""']],
  ["If-Modified-Since", ["Fri, 31 Dec 9999 23:59:59 GMT"]],
  ["Idempotency-Key", ["k1", "k2", "\u00e9", "x".repeat(300)]],
  ["Kilde-Consumer", ["cards", "c".repeat(1_000)]],
  ["Kilde-Position", ["1", "99999999", "-1", "x"]],
  ["Kilde-Log", ["0123456789abcdef", "x"]],
  ["Content-Encoding", ["gzip", "IDENTITY", "identity"]],
  ["Origin", ["http://evil.example", "null", "http://127.0.0.1"]],
  ["Range", ["bytes=0-1"]],
  ["Expect", ["100-continue"]],
  ["X-Request-Id", ["1"]],
  ["traceparent", ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x"]],
  ["ce-specversion", ["1.0", "0.3", '"1.0"']],
  ["ce-id", ["1", "%ff", '"a\\"b"']],
  ["ce-source", ["/s", ""]],
  ["ce-type", ["A", "kilde.erased"]],
  ["ce-data", ["1"]],
  ["ce-metadata", ["not json", "[1]"]],
  ["ce-sequence", ["1"]],
];

function appendBody(chance: Chance): string {
  const event = () => {
    const members = [`"type":${JSON.stringify(chance.happens(0.9) ? "Noted" : hostileText(chance))}`];
    if (chance.happens(0.8)) members.push(`"data":${hostileJson(chance)}`);
    if (chance.happens(0.2)) members.push(`"metadata":${hostileJson(chance)}`);
    if (chance.happens(0.1)) members.push(`"time":${JSON.stringify(chance.pick(VALUES))}`);
    if (chance.happens(0.05)) members.push(`"x":${hostileJson(chance)}`);
    return `{${members.join(",")}}`;
  };
  const version = chance.happens(0.1) ? `,"expectedVersion":${hostileJson(chance, 5)}` : "";
  return `{"events":[${chance.several(1, 4, event).join(",")}]${version}}`;
}

function cloudEvent(chance: Chance): string {
  const extension = () =>
    `,${JSON.stringify(chance.pick(["ext", "metadata", "sequence", "reason", "logidentity", "__proto__", "A-B"]))}:${hostileJson(chance, 4)}`;
  return `{"specversion":"1.0","id":"1","source":"/s","type":"Noted"${chance.several(0, 3, extension).join("")},"data":${hostileJson(chance)}}`;
}

const TYPES: Readonly<Record<Content, string>> = {
  none: "",
  append: "application/json",
  cloudevent: "application/cloudevents+json",
  batch: "application/cloudevents-batch+json",
  binary: "application/json",
  transaction: "application/json",
  entries: "application/json",
  lines: "application/x-ndjson",
  commit: "application/json",
  subscription: "application/json",
  any: "application/json",
};

function namedAppends(chance: Chance): string[] {
  const part = () =>
    `{"stream":${JSON.stringify(`s-${chance.below(20)}`)},"events":[{"type":"Noted","data":${hostileJson(chance)}}]}`;
  return chance.several(1, 3, part);
}

function contentText(chance: Chance, content: Content): string {
  switch (content) {
    case "none":
      return "";
    case "append":
      return appendBody(chance);
    case "cloudevent":
      return cloudEvent(chance);
    case "batch":
      return `[${chance.several(1, 3, () => cloudEvent(chance)).join(",")}]`;
    case "transaction":
      return `{"appends":[${namedAppends(chance).join(",")}]}`;
    case "entries":
      return `[${namedAppends(chance).join(",")}]`;
    case "lines":
      return namedAppends(chance).join("\n");
    case "commit":
      return `{"position":${chance.happens(0.5) ? chance.below(9) : hostileJson(chance, 5)}}`;
    case "subscription":
      return `{"source":"/events","url":"http://127.0.0.1:1/${encoded(chance, hostileText(chance))}","types":${chance.pick(["null", '["Noted"]', hostileJson(chance)])}}`;
    case "binary":
    case "any":
      return hostileJson(chance);
  }
}

/** A random request to a server: mostly well-formed HTTP with hostile content, at times malformed HTTP. */
export function randomRequest(chance: Chance, host: string): RawRequest {
  const [usual, pattern, content] = chance.pick(OPERATIONS);
  const method = chance.happens(0.9) ? usual : chance.pick(METHODS);
  const text = contentText(chance, content);
  const body = chance.happens(0.15) ? mutated(chance, text) : Buffer.from(text);
  const lines = [
    `Host: ${chance.happens(0.98) ? host : headerValue(chance, ["[", "127.0.0.999", "evil.example", ""])}`,
    "Connection: close",
  ];
  const follows = method === "GET" && chance.happens(0.05);
  if (follows) lines.push("Accept: text/event-stream");
  if (content === "binary") {
    lines.push("ce-specversion: 1.0", "ce-id: 1", "ce-source: /s", "ce-type: Noted");
  }
  for (const [name, values] of chance.several(0, chance.pick([0, 0, 3]), () => chance.pick(HEADERS))) {
    lines.push(`${name}: ${headerValue(chance, values)}`);
  }
  if (content !== "none") {
    const type = chance.happens(0.95) ? TYPES[content] : headerValue(chance, MEDIA_TYPES);
    lines.push(`Content-Type: ${type}`);
    lines.push(chance.happens(0.98) ? `Content-Length: ${body.length}` : "Content-Length: 5, 6");
  }
  const head = Buffer.from(`${method} ${target(chance, pattern)} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const malformed = chance.happens(0.02);
  const bytes = Buffer.concat([malformed ? mutated(chance, head.toString("latin1")) : head, body]);
  // A malformed head may have no end, so that the server waits for the rest.
  const waits = /event-stream|timeout|^GET \/changes|^DELETE \/feeds\//i;
  return { bytes, mayWait: follows || malformed || waits.test(bytes.toString("latin1")) };
}
