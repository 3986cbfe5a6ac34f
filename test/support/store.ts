import { examine, type Finding } from "../../src/doctor/doctor.ts";
import { type Deployment, openApp, type TestApp } from "./app.ts";

/** One server's HTTP surface; `path` begins with a slash. */
export interface Node {
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** Servers that share a database. */
export interface Cluster {
  readonly nodes: readonly Node[];
  /** Faults of the database. */
  examine(): Promise<Finding[]>;
  close(): Promise<void>;
}

/** Servers in this process, each with a store and connections of its own, on a new database. */
export async function openCluster(deployment: Deployment, count: number): Promise<Cluster> {
  if (count > 1 && !deployment.shared) throw new Error(`${deployment.name} cannot be shared`);
  const opened = await deployment.open();
  const database = opened.database();
  const nodes: TestApp[] = [await openApp({ database })];
  while (nodes.length < count) nodes.push(await openApp({ database: opened.database() }));
  return {
    nodes,
    examine: () => examine(database),
    async close() {
      for (const node of nodes) await node.close();
      await opened.dispose();
    },
  };
}

/** The node of this number; numbers beyond the last begin again at the first, so any number is valid. */
export function nodeOf({ nodes }: Cluster, number: number): Node {
  const node = nodes[number % nodes.length];
  if (node === undefined) throw new Error("a cluster has at least one node");
  return node;
}

/** Does something with a cluster, and closes it. The database must be sound afterwards. */
export async function withCluster(
  open: () => Promise<Cluster>,
  use: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await open();
  try {
    await use(cluster);
    const findings = await cluster.examine();
    if (findings.length > 0) throw new Error(`the database is not sound: ${JSON.stringify(findings)}`);
  } finally {
    await cluster.close();
  }
}
