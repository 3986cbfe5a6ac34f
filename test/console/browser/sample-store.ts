import { Database } from "bun:sqlite";
import { join } from "node:path";

import { type Client, createClient, type Metadata } from "../../../src/client/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type ConsoleServer, openConsoleServer } from "./console-server.ts";
import { sampleLines } from "./sample-events.ts";

const EVENTS = 3_000;

/** The feeds of the sample that do not halt. */
const FEEDS = ["declarations/v1", "declarations/v2", "payouts/v1"];

/** The subject that the endpoint and a consumer of the sample refuse. */
export const REFUSED_SUBJECT = "declaration-86791";

/** A stream whose events caused others. */
const CAUSING_STREAM = "trip-7";

/** A request to the endpoint. */
interface DeliveredRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A store as an operator finds it on a bad day. */
export interface SampleStore {
  readonly url: string;
  /** With the grant `admin`. */
  readonly token: string;
  readonly client: Client;
  /** The subscription whose endpoint refuses a subject. */
  readonly webhook: string;
  /** The key of the consumer of that endpoint. */
  readonly key: string;
  /** Origin of the endpoint of its subscriptions. */
  readonly endpoint: string;
  /** The requests that the endpoint got, in order. */
  readonly delivered: readonly DeliveredRequest[];
  close(): Promise<void>;
}

/** An endpoint that takes everything but one subject. */
function startReceiver(delivered: DeliveredRequest[]) {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = await request.text();
      const refuses = body.includes(`"${REFUSED_SUBJECT}"`);
      delivered.push({ url: request.url, headers: Object.fromEntries(request.headers), body });
      return refuses ? new Response("cards: unknown declaration", { status: 422 }) : new Response(null);
    },
  });
}

/** Appends events of which each one caused the next. */
async function appendCauses(client: Client): Promise<void> {
  const steps = [
    [CAUSING_STREAM, "TripRequested"],
    ["budget-2030", "BudgetReserved"],
    [CAUSING_STREAM, "TripApproved"],
    ["mail-31", "ApprovalSent"],
  ] as const;
  let cause: Metadata = {};
  for (const [stream, type] of steps) {
    const metadata = { correlationId: "trip-7", ...cause };
    const { position } = await client.append(stream, { type, data: { trip: 7 }, metadata });
    cause = { causationId: String(position) };
  }
}

async function isLive(client: Client, feed: string): Promise<boolean> {
  const { status, lag } = JSON.parse(await client.fetchText(`/feeds/${feed}/status`)) as {
    readonly status: string;
    readonly lag: { readonly events: number };
  };
  return status === "live" && lag.events === 0;
}

/** The past: events, feeds that were built from them, and consumers that have not read since. */
async function fill({ client, kilde, folder }: ConsoleServer): Promise<void> {
  await Bun.write(join(folder, "events.ndjson"), sampleLines(EVENTS).join("\n"));
  const { exitCode, stderr } = await kilde("import", "events.ndjson");
  if (exitCode !== 0) throw new Error(stderr);
  await client.append("budget-2030", { type: "BudgetApproved", data: { limit: 12_000 } });
  await appendCauses(client);
  for (const feed of FEEDS) await eventually(() => isLive(client, feed));
  await client.commit(900, { consumer: "reports", feed: "declarations/v1" });
  await client.commit(1_200, { consumer: "travel-desk", feed: "declarations/v1" });
  await client.commit(1_500, { consumer: "cards", feed: "declarations/v2" });
  await client.commit(2_000, { consumer: "audit" });
}

/** Samples of the lag of a consumer in an hour: it falls behind by day, and catches up in the evening. */
function lagOf(hour: number): string {
  const behind = Math.max(0, Math.round(900 * Math.sin((hour % 24) / 3.8)));
  return JSON.stringify(
    Array.from({ length: 12 }, (_, step) => [step, behind + step * 3, (behind + step) * 4]),
  );
}

/**
 * Moves everything recorded two hours back, so that consumers that read nothing since are silent or late, and gives them a
 * lag of the last day.
 */
function age(folder: string): void {
  const database = new Database(join(folder, "data/kilde.db"));
  const earlier = (column: string, hours: number) =>
    `${column} = strftime('%Y-%m-%dT%H:%M:%fZ', ${column}, '-${hours} hours')`;
  database.run(`update events set ${earlier("recorded", 2)}`);
  database.run(`update consumers set ${earlier("seen", 2)}, ${earlier("since", 30)}`);
  const insert = database.query(
    "insert or replace into consumer_lag (hour, log, name, samples) select ?1, log, name, ?2 from consumers",
  );
  const now = Math.floor(Date.now() / 3_600_000);
  for (let hour = now - 24; hour < now; hour += 1) insert.run(hour, lagOf(hour));
  database.close();
}

/** Creates the key of a consumer, and returns its client. */
async function readerOf({ keys }: Client, url: string, consumer: string, path: string): Promise<Client> {
  const { token } = await keys.create({ name: consumer, grants: [`read:${path}`], consumer });
  return createClient({ url, token, consumer });
}

async function readNow(owner: Client, url: string, head: number): Promise<void> {
  const cards = await readerOf(owner, url, "cards", "/feeds/declarations");
  const reports = await readerOf(owner, url, "reports", "/feeds/declarations");
  const audit = await readerOf(owner, url, "audit", "/events");
  const failure = {
    subject: REFUSED_SUBJECT,
    version: 1,
    type: "DeclarationSubmitted",
    message: "No card has this number",
    attempts: 7,
    since: new Date().toISOString(),
  };
  await cards.commit(1_600, { feed: "declarations/v2", blocked: 1, failure });
  await reports.commit(950, { feed: "declarations/v1" });
  await audit.commit(head);
}

async function subscribe({ subscriptions }: Client, endpoint: string): Promise<string> {
  const source = "/feeds/declarations/v2";
  const cards = await subscriptions.create({
    source,
    url: `${endpoint}/cards`,
    description: "Cards",
    start: { position: 0 },
    attempts: 3,
    keepAttempts: 100,
  });
  await subscriptions.create({ source, url: `${endpoint}/search`, description: "Search", mode: "batch" });
  const archive = await subscriptions.create({ source: "/events", url: `${endpoint}/archive` });
  await subscriptions.pause(archive.subscription, "The archive moves to another server");
  await eventually(async () => (await subscriptions.get(cards.subscription)).blocked > 0);
  return cards.subscription;
}

/** The present: a feed that halts, readers, endpoints, and a key that has ended. */
async function live(owner: Client, url: string, endpoint: string): Promise<string> {
  const unexpected = { type: "BudgetApproved", data: { limit: "12,000" } };
  const { position } = await owner.append("budget-2031", unexpected);
  await readNow(owner, url, position);
  const { key } = await owner.keys.create({ name: "intern", grants: ["read:/events"] });
  await owner.keys.revoke(key);
  return subscribe(owner, endpoint);
}

/** Creates the first key of a store, on its database. */
async function createOwner({ kilde }: ConsoleServer): Promise<string> {
  const { stdout, stderr, exitCode } = await kilde("keys", "create", "ida", "--may", "admin");
  if (exitCode !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** Starts a server with the feeds of the sample, problems of several kinds, and keys. */
export async function openSampleStore(): Promise<SampleStore> {
  const delivered: DeliveredRequest[] = [];
  const receiver = startReceiver(delivered);
  const server = await openConsoleServer({ config: "sample-feeds.ts" });
  const { url } = server;
  await fill(server);
  const token = await createOwner(server);
  await server.stop();
  age(server.folder);
  await server.start();
  const client = createClient({ url, token });
  const webhook = await live(client, url, receiver.url.origin);
  const keys = await Array.fromAsync(client.keys.list());
  return {
    url,
    token,
    client,
    webhook,
    endpoint: receiver.url.origin,
    delivered,
    key: keys.find(({ name }) => name === "cards")?.key ?? "",
    async close() {
      await server.close();
      await receiver.stop(true);
    },
  };
}
