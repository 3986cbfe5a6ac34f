import { type JetStreamClient, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

import { type Contender, executable, type Start, versionOf } from "../contender.ts";
import { closedLoop, Latencies, type Sample } from "../sample.ts";
import { freePort } from "../sandbox.ts";
import * as work from "../workload.ts";

const APPENDED = "appended";
const HISTORY = "history";
const FOLLOWED = "followed";

/** Messages of the history that are sent before their acknowledgements are awaited. */
const FILL_WINDOW = 1_000;

const PAYLOADS = work
  .eventsOf(0, work.STREAMS)
  .map(({ type, data }) => new TextEncoder().encode(`{"type":"${type}","data":${data}}`));

function payload(index: number): Uint8Array {
  return PAYLOADS[index % PAYLOADS.length] ?? new Uint8Array();
}

/** Reads a whole stream in order, again and again; a page is {@link work.PAGE} messages. */
async function readPages(js: JetStreamClient, durationMs: number): Promise<Sample> {
  const latencies = new Latencies();
  const started = performance.now();
  const until = started + durationMs;
  let events = 0;
  let pageStarted = started;
  while (pageStarted < until) {
    const consumer = await js.consumers.get(HISTORY);
    const messages = await consumer.consume({ max_messages: work.PAGE });
    for await (const message of messages) {
      message.json();
      events += 1;
      if (events % work.PAGE !== 0) continue;
      const now = performance.now();
      latencies.add(now - pageStarted);
      pageStarted = now;
      if (now >= until || message.info.pending === 0) break;
    }
    await messages.close();
    await consumer.delete();
  }
  const seconds = (pageStarted - started) / 1_000;
  return { operations: latencies.length, events, seconds, latenciesMs: latencies.ascending() };
}

/** NATS JetStream, through its own client on one connection; what it has in flight stands for connections. */
export const startNats: Start = async (sandbox) => {
  const program = executable("nats-server");
  const port = freePort();
  const server = await sandbox.start({
    name: "nats-server",
    command: [program, "-js", "-sd", sandbox.folder("nats"), "-a", "127.0.0.1", "-p", String(port)],
    ready: async () => (await connect({ servers: `127.0.0.1:${port}`, timeout: 500 })).close(),
  });
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  const js = jetstream(connection);
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: APPENDED, subjects: [`${APPENDED}.>`] });
  await manager.streams.add({ name: HISTORY, subjects: [`${HISTORY}.>`] });
  const stored = async () => (await manager.streams.info(APPENDED)).state.messages;
  const randomSubject = () => `${APPENDED}.${work.streamName(work.randomBelow(work.STREAMS))}`;
  let next = 0;

  return {
    name: "NATS JetStream",
    version: versionOf([program, "--version"]),
    settings: "file storage",
    pid: server.pid,
    async singles(inFlight) {
      const append = async () => {
        await js.publish(randomSubject(), payload(next++));
        return 1;
      };
      return [{ way: "no fsync", run: (ms) => closedLoop(inFlight, ms, append), stored }];
    },
    async batches(inFlight) {
      const append = async () => {
        const subject = randomSubject();
        const sent = Array.from({ length: work.BATCH }, () => js.publish(subject, payload(next++)));
        await Promise.all(sent);
        return work.BATCH;
      };
      const way = `no fsync, ${work.BATCH} messages sent at once`;
      return [{ way, run: (ms) => closedLoop(inFlight, ms, append), stored }];
    },
    async fill() {
      for (let start = 0; start < work.HISTORY; start += FILL_WINDOW) {
        await Promise.all(
          Array.from({ length: FILL_WINDOW }, (_, offset) =>
            js.publish(`${HISTORY}.${work.historyStream(start + offset)}`, payload(start + offset)),
          ),
        );
      }
    },
    async pages() {
      return [{ way: "ordered consumer, parsed", run: (ms) => readPages(js, ms) }];
    },
    async streams(inFlight) {
      const read = async () => {
        const subject = `${HISTORY}.${work.streamName(work.randomBelow(work.HISTORY_STREAMS))}`;
        const consumer = await js.consumers.get(HISTORY, { filter_subjects: subject });
        const messages = await consumer.fetch({ max_messages: work.HISTORY_VERSIONS });
        let events = 0;
        for await (const message of messages) {
          message.json();
          events += 1;
        }
        await consumer.delete();
        if (events !== work.HISTORY_VERSIONS) throw new Error(`${events} events of ${subject}`);
        return events;
      };
      return [{ way: "an ordered consumer each, parsed", run: (ms) => closedLoop(inFlight, ms, read) }];
    },
    async follow(count, onDelivery) {
      await manager.streams.add({ name: FOLLOWED, subjects: [FOLLOWED] });
      const servers = `127.0.0.1:${port}`;
      const connections = await Promise.all(Array.from({ length: count }, () => connect({ servers })));
      for (const [follower, each] of connections.entries()) {
        each.subscribe(FOLLOWED, {
          callback: (_error, message) => onDelivery(follower, work.numberIn(message.string())),
        });
      }
      await Promise.all(connections.map((each) => each.flush()));
      return {
        way: "core subscription, a connection each",
        append: async (n) => void (await js.publish(FOLLOWED, payload(n))),
        close: async () => void (await Promise.all(connections.map((each) => each.close()))),
      };
    },
    async close() {
      await connection.close();
      await server.stop();
    },
  } satisfies Contender;
};
