import { createClient, KildeError, KildeUnreachableError } from "../../../../src/client/index.ts";
import { follow } from "../../../log/sent-events.ts";
import type { Node } from "./cluster.ts";
import type { Load } from "./load.ts";

/** After a connection that was lost, and between two appends. */
const PAUSE_MS = 20;

/** Reads a log on from its beginning, over however many connections, by server-sent events or by pages. */
export interface Following {
  readonly path: string;
  /** Everything up to it came once, and in order. */
  last(): number;
  /** Faults: positions that do not follow the one before. */
  readonly wrong: readonly string[];
  /** Connections and requests that failed. */
  failures(): number;
  stop(): Promise<void>;
}

export function startFollowing(
  node: () => Node,
  path: string,
  how: "event-stream" | "pages" | "long-poll",
): Following {
  let last = 0;
  let failures = 0;
  let stopped = false;
  const wrong: string[] = [];
  const see = (position: number) => {
    if (position !== last + 1) wrong.push(`${path}: ${position} came after ${last}`);
    last = position;
  };
  const readOn = async () => {
    if (how === "event-stream") {
      for await (const { id } of follow(node(), `${path}?lastEventId=${last}`)) {
        see(Number(id));
        if (stopped) return;
      }
      return;
    }
    const query = `lastEventId=${last}&limit=50${how === "pages" ? "" : "&timeout=500"}`;
    const response = await node().fetch(`${path}?${query}`);
    if (response.status !== 200) throw new Error(`${response.status}`);
    for (const { id } of (await response.json()) as { id: string }[]) see(Number(id));
    if (how === "pages") await Bun.sleep(PAUSE_MS);
  };
  const reading = (async () => {
    while (!stopped) {
      await readOn().catch(async () => {
        failures += 1;
        await Bun.sleep(PAUSE_MS);
      });
    }
  })();
  return {
    path,
    last: () => last,
    wrong,
    failures: () => failures,
    async stop() {
      stopped = true;
      // An event stream ends with its next event.
      await Promise.race([reading, Bun.sleep(1_000)]);
    },
  };
}

/** A reader of its own appends, which must find each, or get the error that the replica is behind. */
export interface OwnReader {
  /** Throws the error that ended the reader; so do the others. */
  found(): number;
  behind(): number;
  /** Reads that failed otherwise. */
  failed(): number;
  readonly wrong: readonly string[];
  stop(): Promise<void>;
}

export function startOwnReader(node: Node, load: Load): OwnReader {
  const kilde = createClient({ url: node.url, retry: { attempts: 1 } });
  const appender = createClient({ url: node.url });
  let [found, behind, failed] = [0, 0, 0];
  let stopped = false;
  const wrong: string[] = [];

  const once = async (number: number) => {
    const [stream, id] = [`own-${number % 5}`, `own/${number}`];
    // By the client that reads, so that it knows the position; what it could not append is appended by the other.
    const event = { type: "Added", data: { id, n: 1 } };
    const idempotencyKey = id;
    const { version, position } = await kilde
      .append(stream, event, { idempotencyKey })
      .catch(() => appender.append(stream, event, { idempotencyKey }));
    load.acknowledged.push({ id, stream, version, position });
    try {
      const read = await Array.fromAsync(kilde.read({ stream, afterVersion: version - 1, position }));
      if (read[0]?.version === version) found += 1;
      else wrong.push(`${stream} is read without version ${version}`);
    } catch (error) {
      if (error instanceof KildeError && error.code === "replica-behind") behind += 1;
      else if (error instanceof KildeError || error instanceof KildeUnreachableError) failed += 1;
      else throw error;
    }
  };
  const reading = (async () => {
    for (let number = 0; !stopped; number += 1) {
      await once(number);
      await Bun.sleep(PAUSE_MS);
    }
  })();
  let ended: unknown = null;
  reading.catch((error: unknown) => (ended = error));
  const going = (count: number) => {
    if (ended !== null) throw ended;
    return count;
  };
  return {
    found: () => going(found),
    behind: () => going(behind),
    failed: () => failed,
    wrong,
    async stop() {
      stopped = true;
      await reading;
    },
  };
}
