import { expect, test } from "bun:test";
import { createClient } from "kilde/client";
import { createConsumer, eventLog, postgresStore } from "kilde/consumer";
import { createCommandHandler } from "kilde/decider";
import { createKilde } from "kilde/embed";
import { consent, receive } from "kilde/webhook";
import { createWorker } from "kilde/worker";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

const url = "http://127.0.0.1:1";
const unreachable = () => Promise.reject(new Error("a request was sent"));
const client = createClient({ url, fetch: unreachable });
const request = new Request(url);

/** Options as a caller without a type checker writes them. */
const written = (options: Record<string, unknown>): never => options as never;

/** The error of a call, whether it throws or rejects. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return null;
}

const consumer = createConsumer({
  url,
  name: "cards",
  feed: eventLog(),
  store: written({}),
  handle: () => {},
});
const { handle } = createCommandHandler({ store: client });

const MISTAKES: readonly (readonly [string, () => unknown, string, string | null])[] = [
  ["createClient", () => createClient(written({ url, header: {} })), "header", "headers"],
  ["createClient, retry", () => createClient({ url, retry: written({ attempt: 1 }) }), "attempt", "attempts"],
  [
    "append",
    () => client.append("a", { type: "A" }, written({ expectVersion: 0 })),
    "expectVersion",
    "expectedVersion",
  ],
  ["transact", () => client.transact([], written({ expectedVersion: 0 })), "expectedVersion", null],
  ["read", () => client.read(written({ lastEventID: 1 })), "lastEventID", "lastEventId"],
  ["readPages", () => client.readPages(written({ pagesize: 1 })), "pagesize", "pageSize"],
  ["follow", () => client.follow(written({ type: ["A"] })), "type", "types"],
  ["streams", () => client.streams(written({ prefixes: "a" })), "prefixes", "prefix"],
  ["subjectPages", () => client.subjectPages(written({ feeds: "a/v1" })), "feeds", "feed"],
  ["history", () => client.history(written({ identities: "a" })), "identities", "identity"],
  ["commit", () => client.commit(1, written({ consumers: "a" })), "consumers", "consumer"],
  ["changes", () => client.changes(written({ onOpened: () => {} })), "onOpened", "onOpen"],
  ["erase", () => client.erase("a", "b", written({ versions: 1 })), "versions", "version"],
  ["createConsumer", () => createConsumer(written({ url, onErrors: () => {} })), "onErrors", "onError"],
  [
    "createConsumer, backoff",
    () => createConsumer(written({ backoff: { delayMS: 1 } })),
    "delayMS",
    "delayMs",
  ],
  [
    "createConsumer, migrateFrom",
    () => createConsumer(written({ migrateFrom: { handler: () => {} } })),
    "handler",
    "handle",
  ],
  ["ensure", () => consumer.ensure("a", written({ versions: 1 })), "versions", "version"],
  ["reconstitute", () => consumer.reconstitute(written({ al: true })), "al", "all"],
  [
    "postgresStore",
    () => postgresStore(written({}), written({ transaction: 1 })),
    "transaction",
    "transactions",
  ],
  [
    "createCommandHandler",
    () => createCommandHandler(written({ store: client, snapshot: null })),
    "snapshot",
    "snapshots",
  ],
  [
    "handle",
    () => handle("a", written({}), {}, written({ idempotencykey: "a" })),
    "idempotencykey",
    "idempotencyKey",
  ],
  ["createKilde", () => createKilde(written({ databaseURL: ":memory:" })), "databaseURL", "databaseUrl"],
  // A setting of a server, which means nothing in a process of one's own.
  ["createKilde", () => createKilde(written({ secretKeys: "k1:" })), "secretKeys", null],
  ["receive", () => receive(request, "whsec_", written({ tolerance: 1 })), "tolerance", null],
  ["consent", () => consent(request, written({ origin: "*" })), "origin", "origins"],
  ["createWorker", () => createWorker({}, written({ databaseCall: 1 })), "databaseCall", "databaseCalls"],
];

test.each(MISTAKES)(
  "%s refuses an option that it does not have, and names the nearest",
  async (...mistake) => {
    const [called, call, option, near] = mistake;
    const failure = await failureOf(call);
    const hint = near === null ? "" : `; did you mean "${near}"?`;
    expect(failure).toEqual(new TypeError(`${called}: there is no option "${option}"${hint}`));
  },
);

test("options that are undefined are as if they were absent", () => {
  expect(() => createClient(written({ url, later: undefined }))).not.toThrow();
});

test.each([
  [
    "localhost:4000",
    'createClient: url "localhost:4000" must begin with http:// or https://; write "http://localhost:4000"',
  ],
  ["127.0.0.1:4000/a", 'must begin with http:// or https://; write "http://127.0.0.1:4000/a"'],
  ["//a.test", 'write "http://a.test"'],
  [
    "ftp://a.test",
    'must begin with http:// or https://; write the address of the server, such as "http://127.0.0.1:4000"',
  ],
  ["http://", "is not an address"],
  ["", "url is empty; write the address of the server"],
  [undefined, "url is undefined; write the address of the server"],
  ["http://user:secret@a.test", "must not have a user or password; state a `token`, or `headers`"],
  ["http://a.test/?b", 'must end before "?" and "#"'],
])("a client rejects the url %p, with an example of a valid one", (stated, message) => {
  expect(() => createClient({ url: stated as string })).toThrow(TypeError);
  expect(() => createClient({ url: stated as string })).toThrow(message);
  if (stated?.includes("secret") === true) {
    expect(() => createClient({ url: stated })).not.toThrow("secret");
  }
});
