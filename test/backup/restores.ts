import { expect } from "bun:test";
import { EventSourceParserStream } from "eventsource-parser/stream";
import fc from "fast-check";

import { examine } from "../../src/doctor/doctor.ts";
import { jsonPost, type Problem, type TestApp, type WireEvent } from "../support/app.ts";
import type { Restorable } from "../support/restorable.ts";
import { checkSchedules, type ScheduleSizes } from "./restore-schedules.ts";

/*
 * Random schedules of appends, backups, restores and reads. Restores happen beneath two servers that stay up, so that
 * everything they have cached about the log becomes wrong. Readers keep only the data of answers, and writers append
 * with the ETag or the identity of their reads. No reader or writer may take one position for two events without being
 * notified.
 */

const STREAMS = ["a", "b", "c"];

export type Action =
  | { readonly kind: "append"; readonly node: number; readonly stream: number; readonly count: number }
  | { readonly kind: "decide"; readonly node: number; readonly writer: number }
  | { readonly kind: "back up" }
  | { readonly kind: "restore"; readonly backup: number; readonly by: "restore" | "renewal" }
  | { readonly kind: "renew" }
  | { readonly kind: "read all"; readonly node: number }
  | { readonly kind: "read"; readonly node: number; readonly reader: number; readonly hang: boolean };

const node = fc.nat({ max: 1 });

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      node,
      stream: fc.nat({ max: STREAMS.length - 1 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("decide" as const), node, writer: fc.nat({ max: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("back up" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("read all" as const), node }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("restore" as const),
      backup: fc.nat({ max: 5 }),
      by: fc.constantFrom("restore" as const, "renewal" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("renew" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      node,
      reader: fc.nat({ max: 4 }),
      hang: fc.boolean(),
    }),
  },
);

/** A reader's belief: the event at each position. */
class Belief {
  readonly events = new Map<number, string>();

  take({ id, data }: WireEvent): void {
    const position = Number(id);
    const event = JSON.stringify(data);
    // Guarantee 14: a position is never two events to a reader that was not notified.
    expect([position, this.events.get(position) ?? event]).toEqual([position, event]);
    this.events.set(position, event);
  }

  /** Forgets the events after the histories part, and returns the cursor to continue with; null: from the start. */
  goBack({ parted, log }: Problem & { parted?: number | null; log?: string }): string | null {
    const upTo = parted ?? 0;
    for (const position of this.events.keys()) if (position > upTo) this.events.delete(position);
    return upTo === 0 ? null : `${upTo}-${log}`;
  }
}

interface Reader {
  readonly belief: Belief;
  /** Path of the log that it reads. */
  readonly path: string;
  /** Makes one request, through a server. */
  turn(app: TestApp, hang: boolean): Promise<void>;
  close(): Promise<void>;
}

async function restoredProblem(response: Response): Promise<Problem> {
  const problem = (await response.json()) as Problem;
  expect(problem.type).toBe("/problems/log-restored");
  return problem;
}

/** Follows `Link`, as any HTTP client can; `hang` makes it wait for new events. */
function linkReader(path: string): Reader {
  const belief = new Belief();
  let url = `${path}?limit=10`;
  return {
    path,
    belief,
    async turn(app, hang) {
      const asked = hang ? `${url}&timeout=20` : url;
      const response = await app.fetch(asked);
      if (response.status === 404) return;
      if (response.status === 409) {
        const cursor = belief.goBack(await restoredProblem(response));
        url = `${path}?limit=10${cursor === null ? "" : `&lastEventId=${cursor}`}`;
        return;
      }
      expect(response.status).toBe(200);
      for (const event of (await response.json()) as WireEvent[]) belief.take(event);
      const next = /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      if (next !== undefined) url = next.replace(/&timeout=\d+/, "");
    },
    close: () => Promise.resolve(),
  };
}

/** Follows server-sent events as a browser does: it keeps the last id alone, and reconnects when a stream ends. */
function streamReader(path: string): Reader {
  const belief = new Belief();
  let lastId: string | null = null;
  let gone = new AbortController();
  let connection: Promise<void> | null = null;

  const pump = async (body: ReadableStream<Uint8Array>) => {
    const messages = body
      .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>)
      .pipeThrough(new EventSourceParserStream());
    for await (const { id, data } of messages) {
      belief.take(JSON.parse(data) as WireEvent);
      lastId = id ?? lastId;
    }
  };
  return {
    path,
    belief,
    async turn(app) {
      if (connection !== null) return;
      gone = new AbortController();
      const headers = {
        accept: "text/event-stream",
        ...(lastId === null ? {} : { "last-event-id": lastId }),
      };
      const response = await app.fetch(path, { headers, signal: gone.signal });
      if (response.status === 409) {
        lastId = belief.goBack(await restoredProblem(response));
        return;
      }
      expect(response.status).toBe(200);
      if (response.body === null) throw new Error("a stream has no body");
      connection = pump(response.body).finally(() => {
        connection = null;
      });
    },
    async close() {
      gone.abort();
      await connection;
    },
  };
}

/** Appends to a stream on condition of its last read, stated by ETag, or by identity and version. */
function writer(stream: string, states: "etag" | "identity") {
  let known: { version: number; event: string; etag: string; identity: string } | null = null;
  const remember = (response: Response, version: number, event: string) => {
    const { headers } = response;
    known = { version, event, etag: headers.get("etag") ?? "", identity: headers.get("kilde-log") ?? "" };
  };
  const read = async (app: TestApp) => {
    const response = await app.fetch(`/streams/${stream}?direction=backwards&limit=1`);
    if (response.status === 404) return;
    const [last] = (await response.json()) as WireEvent[];
    remember(response, Number(last?.sequence), JSON.stringify(last?.data));
  };
  return async (app: TestApp, data: number) => {
    if (known === null) return read(app);
    const { version, event, etag, identity } = known;
    known = null;
    const body = { events: [{ type: "Decided", data }] };
    const response =
      states === "etag"
        ? await app.fetch(`/streams/${stream}`, jsonPost(body, { "if-match": etag }))
        : await app.fetch(
            `/streams/${stream}`,
            jsonPost({ ...body, expectedVersion: version }, { "kilde-log": identity }),
          );
    if (response.status !== 201) {
      expect([409, 412]).toContain(response.status);
      return;
    }
    remember(response, version + 1, JSON.stringify(data));
    // The decision was based on the event before this one.
    const [before] = await app.get(`/streams/${stream}?afterVersion=${version - 1}&toVersion=${version}`);
    expect(JSON.stringify(before?.data)).toBe(event);
  };
}

const FINAL_TURNS = 500;

/** Lets readers read to the end, and compares their beliefs with the log. */
async function settle(readers: readonly Reader[], app: TestApp): Promise<void> {
  for (const reader of readers) {
    const response = await app.fetch(`${reader.path}?limit=10000`);
    const events = response.status === 404 ? [] : ((await response.json()) as WireEvent[]);
    const truth = events.map(({ id, data }) => [Number(id), JSON.stringify(data)]);
    const believed = () => [...reader.belief.events].toSorted(([a], [b]) => a - b);
    for (let turn = 0; turn < FINAL_TURNS && !Bun.deepEquals(believed(), truth); turn += 1) {
      await reader.turn(app, false);
      await Bun.sleep(1);
    }
    expect(believed()).toEqual(truth as [number, string][]);
  }
}

async function runSchedule(
  actions: readonly Action[],
  restorable: Restorable,
  nodes: readonly TestApp[],
): Promise<void> {
  const readers = [
    linkReader("/events"),
    linkReader("/streams/a"),
    linkReader("/streams/b"),
    streamReader("/events"),
    streamReader("/streams/a"),
  ];
  const writers = [writer("a", "etag"), writer("b", "identity"), writer("a", "identity")];
  let backups = 0;
  let last = 0;
  let hanging: Promise<void> = Promise.resolve();
  const nodeOf = (number: number) => {
    const found = nodes[number];
    if (found === undefined) throw new Error("there is no such server");
    return found;
  };
  try {
    for (const one of actions) {
      switch (one.kind) {
        case "append": {
          const events = Array.from({ length: one.count }, () => ({ type: "Happened", data: (last += 1) }));
          await nodeOf(one.node).append(STREAMS[one.stream] ?? "", ...events);
          break;
        }
        case "decide":
          await writers[one.writer]?.(nodeOf(one.node), (last += 1));
          break;
        case "back up":
          backups = (await restorable.backUp()) + 1;
          break;
        case "restore":
          if (backups > 0) await restorable.restore(one.backup % backups, one.by);
          break;
        case "renew":
          await restorable.renew();
          break;
        case "read all":
          await hanging;
          for (const reader of readers) await reader.turn(nodeOf(one.node), false);
          break;
        case "read": {
          await hanging;
          const turn = readers[one.reader]?.turn(nodeOf(one.node), one.hang) ?? Promise.resolve();
          if (one.hang) hanging = turn;
          else await turn;
        }
      }
    }
    await hanging;
    await settle(readers, nodeOf(0));
    expect(await examine(restorable.database)).toEqual([]);
    expect(nodes.flatMap(({ faults }) => faults)).toEqual([]);
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
  }
}

export function checkRestores(sizes: ScheduleSizes): Promise<void> {
  return checkSchedules(action, sizes, runSchedule);
}
