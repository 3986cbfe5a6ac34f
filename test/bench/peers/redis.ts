import { createClient } from "redis";

import { type Contender, executable, type Start, versionOf } from "../contender.ts";
import { closedLoop } from "../sample.ts";
import { freePort } from "../sandbox.ts";
import * as work from "../workload.ts";

const DURABLE = "appendfsync always";

/** One Redis stream that holds the whole history in order; each of its entities has one of its own besides. */
const HISTORY = "history";

/** Nobody has appended to it before it is followed. */
const FOLLOWED = "followed";

function fieldsOf(index: number): { type: string; data: string } {
  const { type, data } = work.eventOf(index);
  return { type, data };
}

function entityKey(stream: string): string {
  return `history:${stream}`;
}

/** A lost connection fails the commands that wait for it; without a listener it would end the process too. */
function connect(port: number) {
  return createClient({ socket: { port } })
    .on("error", () => {})
    .connect();
}

/** Redis streams, through its own client on one connection, which sends the commands in flight together. */
export const startRedis: Start = async (sandbox) => {
  const program = executable("redis-server");
  const port = freePort();
  const folder = sandbox.folder("redis");
  const options = {
    bind: "127.0.0.1",
    port: String(port),
    dir: folder,
    appendonly: "yes",
    appendfsync: "always",
    // Off, in its favour: snapshots would be taken during the runs, its own and those of the others.
    save: "",
  };
  const server = await sandbox.start({
    name: "redis-server",
    command: [program, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])],
    ready: async () => {
      const probe = createClient({ socket: { port, reconnectStrategy: false } });
      probe.on("error", () => {});
      await probe.connect();
      await probe.ping();
      probe.destroy();
    },
  });
  const client = await connect(port);
  const randomKey = () => work.streamName(work.randomBelow(work.STREAMS));
  let next = 0;

  /** Entries of all streams that are appended to. */
  const stored = async () => {
    const names = Array.from({ length: work.STREAMS }, (_, index) => work.streamName(index));
    const lengths = await Promise.all(names.map((name) => client.xLen(name)));
    return lengths.reduce((sum, length) => sum + length, 0);
  };

  return {
    name: "Redis streams",
    version: versionOf([program, "--version"]),
    settings: `${DURABLE}, no snapshots`,
    pid: server.pid,
    async singles(inFlight) {
      const append = async () => {
        await client.xAdd(randomKey(), "*", fieldsOf(next++));
        return 1;
      };
      return [{ way: DURABLE, run: (ms) => closedLoop(inFlight, ms, append), stored }];
    },
    async batches(inFlight) {
      const append = async () => {
        const key = randomKey();
        const transaction = client.multi();
        for (let entry = 0; entry < work.BATCH; entry += 1) transaction.xAdd(key, "*", fieldsOf(next++));
        await transaction.exec();
        return work.BATCH;
      };
      return [{ way: `MULTI, ${DURABLE}`, run: (ms) => closedLoop(inFlight, ms, append), stored }];
    },
    async fill() {
      for (let start = 0; start < work.HISTORY; start += work.PAGE) {
        const sent = [];
        for (let position = start; position < start + work.PAGE; position += 1) {
          const stream = work.historyStream(position);
          sent.push(client.xAdd(HISTORY, "*", { ...fieldsOf(position), subject: stream }));
          sent.push(client.xAdd(entityKey(stream), "*", fieldsOf(position)));
        }
        await Promise.all(sent);
      }
    },
    async pages() {
      let cursor = "-";
      const read = async () => {
        const page = (await client.xRange(HISTORY, cursor, "+", { COUNT: work.PAGE })) ?? [];
        cursor = page.length === work.PAGE ? `(${page.at(-1)?.id ?? "-"}` : "-";
        return page.length;
      };
      return [{ way: "XRANGE … COUNT 1000", run: (ms) => closedLoop(1, ms, read) }];
    },
    async streams(inFlight) {
      const read = async () => {
        const stream = work.streamName(work.randomBelow(work.HISTORY_STREAMS));
        const entries = (await client.xRange(entityKey(stream), "-", "+")) ?? [];
        if (entries.length !== work.HISTORY_VERSIONS)
          throw new Error(`${entries.length} events of ${stream}`);
        return entries.length;
      };
      return [{ way: "XRANGE", run: (ms) => closedLoop(inFlight, ms, read) }];
    },
    async follow(count, onDelivery) {
      let closing = false;
      const followOn = async (own: Awaited<ReturnType<typeof connect>>, follower: number) => {
        for (let cursor = "0"; !closing;) {
          const replies = await own.xRead({ key: FOLLOWED, id: cursor }, { BLOCK: 0 });
          for (const { id, message } of replies?.[0]?.messages ?? []) {
            cursor = id;
            onDelivery(follower, work.numberIn(message["data"] ?? ""));
          }
        }
      };
      const clients = await Promise.all(Array.from({ length: count }, () => connect(port)));
      const ends = clients.map((own, follower) =>
        followOn(own, follower).catch((error: unknown) => {
          if (!closing) throw error;
        }),
      );
      return {
        way: "XREAD BLOCK, a connection each",
        append: async (n) => void (await client.xAdd(FOLLOWED, "*", fieldsOf(n))),
        async close() {
          closing = true;
          for (const own of clients) own.destroy();
          await Promise.all(ends);
        },
      };
    },
    async close() {
      client.destroy();
      await server.stop();
    },
  } satisfies Contender;
};
