import { follow } from "../../../log/sent-events.ts";
import type { Node } from "./cluster.ts";

/** How long it is measured. */
const MEASURED_MS = 4_000;

/** The queries for heads: of the watch that serves all followers, and of a single look. */
const LOOKS = "select id, head, identity, removals from logs where id in";
const SINGLE_LOOKS = "select id, head, identity, removals from logs where id =";

export interface Followed {
  /** From the recording of an event to its arrival, in milliseconds, by size. */
  readonly delays: readonly number[];
  /** Queries for heads that the node made meanwhile. */
  readonly looks: number;
  readonly singleLooks: number;
  readonly ms: number;
}

async function drain(node: Node, path: string, signal: AbortSignal): Promise<void> {
  const response = await node.fetch(path, { headers: { accept: "text/event-stream" }, signal });
  await response.body?.pipeTo(new WritableStream(), { signal }).catch(() => {});
}

/** Follows the log at a node, so many times at once, and measures for a while. */
export async function followAt(node: Node, followers: number): Promise<Followed> {
  const gone = new AbortController();
  const first = (await (await node.fetch("/events?direction=backwards&limit=1")).json()) as { id: string }[];
  const path = `/events?lastEventId=${first[0]?.id ?? 0}`;
  const others = Array.from({ length: followers - 1 }, () => drain(node, path, gone.signal));
  const delays: number[] = [];
  node.network.count(LOOKS);
  node.network.count(SINGLE_LOOKS);
  await Bun.sleep(500);
  const before = { looks: node.network.count(LOOKS), singleLooks: node.network.count(SINGLE_LOOKS) };
  const [started, startedAt] = [performance.now(), Date.now()];
  for await (const { time } of follow(node, path)) {
    const recorded = Date.parse(time);
    if (recorded > startedAt) delays.push(Date.now() - recorded);
    if (performance.now() - started > MEASURED_MS) break;
  }
  const ms = performance.now() - started;
  gone.abort();
  await Promise.all(others);
  return {
    delays: delays.toSorted((a, b) => a - b),
    looks: node.network.count(LOOKS) - before.looks,
    singleLooks: node.network.count(SINGLE_LOOKS) - before.singleLooks,
    ms,
  };
}
