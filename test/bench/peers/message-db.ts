import { dirname, join } from "node:path";

import { Pool } from "pg";

import type { Contender, Start } from "../contender.ts";
import { closedLoop } from "../sample.ts";
import { freePort } from "../sandbox.ts";
import * as work from "../workload.ts";
import { MAX_CONNECTIONS, runToEnd, startPostgres } from "./postgres.ts";

const WRITE = "select message_store.write_message($1, $2, $3, $4)";

/** As many as there are ids; the function is called for each row in order. */
const WRITE_MANY = `select message_store.write_message(id, $2, type, data::jsonb)
from unnest($1::text[], $3::text[], $4::text[]) with ordinality as event (id, type, data, place) order by place`;

/** message-db on PostgreSQL: its own install script, and its functions called through a pool of `pg`. */
export const startMessageDb: Start = async (sandbox) => {
  const port = freePort();
  const { server, version } = await startPostgres(sandbox, port);
  const manifest = Bun.resolveSync("@eventide/message-db/package.json", import.meta.dir);
  const { version: scripts } = (await Bun.file(manifest).json()) as { version: string };
  runToEnd([join(dirname(manifest), "database/install.sh")], {
    PGHOST: "127.0.0.1",
    PGPORT: String(port),
    PGUSER: "postgres",
  });
  const pool = new Pool({
    host: "127.0.0.1",
    port,
    user: "postgres",
    database: "message_store",
    max: MAX_CONNECTIONS - 10,
    // Its functions name each other without their schema.
    options: "-c search_path=message_store,public",
  });
  // A lost connection fails the queries that wait for it; without a listener it would end the process too.
  pool.on("error", () => {});
  /** Prepared once a connection, under a name that PostgreSQL does not cut. */
  const one = async (text: string, values: readonly unknown[] = []) =>
    (await pool.query({ name: Bun.hash(text).toString(36), text, values: [...values] })).rows;
  const stored = async () => Number((await one("select count(*) as count from messages"))[0]?.count);
  const randomStream = () => work.streamName(work.randomBelow(work.STREAMS));
  let next = 0;

  const writeMany = async (stream: string, events: readonly work.BenchEvent[]) => {
    const ids = events.map(() => crypto.randomUUID());
    const types = events.map(({ type }) => type);
    await one(WRITE_MANY, [ids, stream, types, events.map(({ data }) => data)]);
    return events.length;
  };

  return {
    name: "message-db",
    version: `${scripts} on ${version}`,
    settings: `max_connections ${MAX_CONNECTIONS}`,
    pid: server.pid,
    async singles(inFlight) {
      const append = async () => {
        const { type, data } = work.eventOf(next++);
        await one(WRITE, [crypto.randomUUID(), randomStream(), type, data]);
        return 1;
      };
      return [{ way: "write_message", run: (ms) => closedLoop(inFlight, ms, append), stored }];
    },
    async batches(inFlight) {
      const append = async () => {
        const events = work.eventsOf(next, work.BATCH);
        next += work.BATCH;
        return writeMany(randomStream(), events);
      };
      const way = `${work.BATCH} × write_message in one statement`;
      return [{ way, run: (ms) => closedLoop(inFlight, ms, append), stored }];
    },
    async fill() {
      // The functions would take a minute for it; the rows are the same.
      await one(
        `insert into messages (stream_name, position, type, data)
        select stream, position, type, data::jsonb
        from unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) as event (stream, position, type, data)`,
        historyColumns(),
      );
      await one("vacuum analyze messages");
    },
    async pages() {
      let position = 1;
      const read = async () => {
        const text = "select * from get_category_messages($1, $2, $3)";
        const page = await one(text, ["declaration", position, work.PAGE]);
        position = page.length === work.PAGE ? Number(page.at(-1)?.global_position) + 1 : 1;
        return page.length;
      };
      return [{ way: "get_category_messages", run: (ms) => closedLoop(1, ms, read) }];
    },
    async streams(inFlight) {
      const read = async () => {
        const stream = work.streamName(work.randomBelow(work.HISTORY_STREAMS));
        const events = await one("select * from get_stream_messages($1)", [stream]);
        if (events.length !== work.HISTORY_VERSIONS) throw new Error(`${events.length} events of ${stream}`);
        return events.length;
      };
      return [{ way: "get_stream_messages", run: (ms) => closedLoop(inFlight, ms, read) }];
    },
    async close() {
      await pool.end();
      await server.stop();
    },
  } satisfies Contender;
};

function historyColumns(): readonly unknown[] {
  const positions = Array.from({ length: work.HISTORY }, (_, position) => position);
  const events = positions.map(work.eventOf);
  return [
    positions.map(work.historyStream),
    positions.map((position) => Math.floor(position / work.HISTORY_STREAMS)),
    events.map(({ type }) => type),
    events.map(({ data }) => data),
  ];
}
