import { type Cluster, type Node, type NodeOptions, openCluster } from "./cluster.ts";
import { type Load, startLoad } from "./load.ts";
import { verify } from "./verify.ts";

/** The common parts of tests of faults: servers under load, and a fault. */

export interface Scene {
  readonly cluster: Cluster;
  readonly load: Load;
  /** The node that projects and delivers at first. */
  readonly leader: Node;
  /** Another one. */
  readonly other: Node;
  /** Has clients ask these nodes alone from now on. */
  ask(nodes: readonly Node[]): void;
}

/** Has something happen to a cluster under load; then all must be well. */
export async function under(
  { seed, size = 2, optionsOf }: { seed: number; size?: number; optionsOf?: (number: number) => NodeOptions },
  happen: (scene: Scene) => Promise<void>,
): Promise<void> {
  const cluster = await openCluster(size, optionsOf);
  try {
    const [leader, other] = cluster.nodes;
    if (leader === undefined || other === undefined) throw new Error("there must be two nodes");
    let asked = cluster.nodes;
    const load = startLoad({ seed, nodes: () => asked });
    await load.progress(300);
    await happen({ cluster, load, leader, other, ask: (nodes) => (asked = nodes) });
    await load.progress(300);
    await verify(cluster, load);
    const { acknowledged, refusals } = load;
    const facts = {
      events: acknowledged.length,
      refused: refusals.length,
      replayed: load.replayed(),
      deliveredTwice: cluster.receiver.repeats(),
      longestMs: Math.round(load.longestMs()),
      longestSilenceMs: Math.round(load.longestSilenceMs()),
    };
    console.log(JSON.stringify(facts));
  } finally {
    await cluster.close();
  }
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly replayed: boolean;
  readonly waitedMs: number;
}

export async function ask(node: Node, path: string, init?: RequestInit): Promise<Answer> {
  const started = performance.now();
  const response = await node.fetch(path, { ...init, signal: AbortSignal.timeout(60_000) });
  const body: unknown = await response.json();
  const waitedMs = performance.now() - started;
  return { status: response.status, body, replayed: response.headers.has("idempotency-replayed"), waitedMs };
}

export const isReady = (node: Node) => async () => (await ask(node, "/ready")).status === 200;
