import { createRequire } from "node:module";

import * as work from "../workload.ts";
import { serveOperations } from "./serve-operations.ts";

/*
 * Load on Emmett's event store on PostgreSQL: `node emmett-load.js PORT FOLDER URL CONNECTIONS [projected]`, with the
 * folder that its packages are installed in.
 */

interface EmmettEvent {
  readonly type: string;
  readonly data: { readonly amount: number };
}

interface EventStore {
  appendToStream(stream: string, events: readonly EmmettEvent[]): Promise<unknown>;
  readStream(stream: string): Promise<{ readonly events: readonly EmmettEvent[] }>;
  readonly schema: { migrate(): Promise<unknown> };
}

interface Total {
  readonly total: number;
}

/** The part of its packages that is used here. */
interface EmmettPostgres {
  getPostgreSQLEventStore(
    url: string,
    options: { readonly projections: unknown; readonly connectionOptions: { readonly pool: object } },
  ): EventStore;
  pongoSingleStreamProjection(options: {
    readonly collectionName: string;
    readonly canHandle: readonly string[];
    readonly initialState: () => Total;
    readonly evolve: (document: Total, event: EmmettEvent) => Total;
  }): unknown;
}

interface Emmett {
  readonly projections: { inline(definitions: readonly unknown[]): unknown };
}

const [, , port, folder, url = "", connections, mode] = process.argv;
const require = createRequire(`${folder}/package.json`);
const { projections } = require("@event-driven-io/emmett") as Emmett;
const emmett = require("@event-driven-io/emmett-postgresql") as EmmettPostgres;
const { Pool } = require("pg") as { Pool: new (options: object) => object };

const totals = () =>
  emmett.pongoSingleStreamProjection({
    collectionName: "totals",
    canHandle: work.TYPES,
    initialState: () => ({ total: 0 }),
    evolve: ({ total }, { data }) => ({ total: total + data.amount }),
  });
const store = emmett.getPostgreSQLEventStore(url, {
  projections: projections.inline(mode === "projected" ? [totals()] : []),
  connectionOptions: { pool: new Pool({ connectionString: url, max: Number(connections) }) },
});
await store.schema.migrate();

const EVENTS = work
  .eventsOf(0, work.STREAMS)
  .map(({ type, data }) => ({ type, data: JSON.parse(data) as EmmettEvent["data"] }));

function isConflict(error: unknown): boolean {
  return (
    error instanceof Error && /ExpectedVersion|Concurrency/.test(`${error.constructor.name} ${error.message}`)
  );
}

async function append(stream: string, events: readonly EmmettEvent[]): Promise<void> {
  for (;;) {
    try {
      await store.appendToStream(stream, events);
      return;
    } catch (error) {
      // Another append to the stream was in flight.
      if (!isConflict(error)) throw error;
    }
  }
}

// Its first use makes the tables; several at once would collide.
await append("first", EVENTS.slice(0, 1));
let filled = 0;

serveOperations(Number(port), {
  async append() {
    await append(work.streamName(work.randomBelow(work.STREAMS)), EVENTS.slice(0, 1));
    return 1;
  },
  async fill() {
    if (filled >= work.HISTORY_STREAMS) return 0;
    const stream = work.historyStream(filled);
    filled += 1;
    await append(`history-${stream}`, EVENTS.slice(0, work.HISTORY_VERSIONS));
    return work.HISTORY_VERSIONS;
  },
  async readStream() {
    const stream = `history-${work.streamName(work.randomBelow(work.HISTORY_STREAMS))}`;
    const { events } = await store.readStream(stream);
    if (events.length !== work.HISTORY_VERSIONS) throw new Error(`${events.length} events of ${stream}`);
    return events.length;
  },
});
