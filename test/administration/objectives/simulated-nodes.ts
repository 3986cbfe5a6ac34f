import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { UNANSWERED } from "../../../src/storage/failures.ts";
import type { StoreObjectivesDeps } from "../../../src/runtime/objectives.ts";
import { type Deployment, openApp, type TestApp } from "../../support/app.ts";
import { ALARMS_QUERY, alarmOf, watcher } from "./objectives.ts";

/*
 * Two nodes that look at the objectives of a store. Writes of a node are refused, or their answers are lost, or they arrive much
 * later, when the other node has made the change; a node stands still after each of its reads; nodes stop at any time, and
 * start again while their last write is still on its way.
 */

type Fault = "none" | "refused" | "lost" | "late" | "paused";
const FAULTS: readonly Fault[] = ["none", "none", "refused", "lost", "late", "late", "paused", "paused"];

interface SimulatedNode {
  fault: Fault;
  /** Looks once; resolves when the look has ended, with whether it did so without a failure. */
  look(): Promise<boolean>;
  /** The look that is under way. */
  looking: Promise<boolean> | null;
  /** Lets the writes arrive that were late, and a node continue that stands still. */
  release(): void;
  close(): Promise<void>;
}

async function openNode(
  deployment: Awaited<ReturnType<Deployment["open"]>>,
  { clock, lookMs, stated }: Pick<StoreObjectivesDeps, "stated"> & { clock: Clock; lookMs: () => number },
): Promise<SimulatedNode> {
  const database = deployment.database();
  let late = Promise.withResolvers<void>();
  const faulty: Database = {
    ...database,
    async write(statements) {
      const { fault } = node;
      const unanswered = () => Object.assign(new Error("no answer"), { code: UNANSWERED });
      if (fault === "refused") throw unanswered();
      if (fault === "late") await late.promise;
      const rows = await database.write(statements);
      if (fault === "lost") throw unanswered();
      return rows;
    },
  };
  const app = await openApp({ database: faulty, clock, isShared: true });
  const look = watcher({
    database: {
      ...faulty,
      async read(statement) {
        const rows = await database.read(statement);
        if (node.fault === "paused") await late.promise;
        return rows;
      },
    },
    writer: app.store.writer,
    stated,
    nowMs: lookMs,
  });
  const node: SimulatedNode = {
    fault: "none",
    looking: null,
    look() {
      node.looking ??= look()
        .then(
          () => true,
          () => false,
        )
        .finally(() => {
          node.looking = null;
        });
      return node.looking;
    },
    release() {
      late.resolve();
      late = Promise.withResolvers();
    },
    async close() {
      node.fault = "none";
      node.release();
      await node.looking;
      await app.close();
    },
  };
  return node;
}

/** Looks until one of the nodes has looked without a fault. Late writes of earlier looks may arrive before or after. */
async function lookUntilDone(nodes: readonly SimulatedNode[], chance: () => number): Promise<void> {
  for (;;) {
    const looks = [];
    for (const node of nodes) {
      if (node.looking !== null || chance() < 0.3) continue;
      node.fault = FAULTS[Math.floor(chance() * FAULTS.length)] ?? "none";
      const { fault } = node;
      const looking = node.look();
      if (fault !== "late" && fault !== "paused")
        looks.push(looking.then((hasLooked) => hasLooked && fault === "none"));
    }
    const isDone = (await Promise.all(looks)).includes(true);
    if (chance() < 0.4) nodes[Math.floor(chance() * nodes.length)]?.release();
    if (isDone) return;
    if (nodes.every(({ looking }) => looking !== null)) nodes[0]?.release();
    await systemClock.sleep(1);
  }
}

/** Longer than a lag of 30 seconds; two of these are longer than a silence of 150 seconds. */
const STEP_MS = 100_000;

/** Consumers that act while the nodes look, and their objectives. */
export interface ConsumerModel extends Pick<StoreObjectivesDeps, "stated"> {
  readonly names: readonly string[];
  begin(app: TestApp): Promise<void>;
  /** A time passes in which each consumer does something. */
  step(app: TestApp, chance: () => number): Promise<void>;
  hasEnded(): boolean;
}

/** Returns the entries of each consumer, in order: the type, and the alarm that ended. */
async function entriesByConsumer(app: TestApp, names: readonly string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const [subject, type, data] of (await app.get(ALARMS_QUERY)).map(alarmOf)) {
    const { from } = data as { readonly from?: string };
    const name = subject.slice(subject.lastIndexOf("/") + 1);
    found.get(name)?.push(from === undefined ? type : `${type} ${from}`);
  }
  return found;
}

/** Lets consumers act while two nodes look; returns the entries of each consumer. */
export async function simulateNodes(
  deployment: Deployment,
  { stated, names, begin, step, hasEnded }: ConsumerModel,
  chance: () => number,
): Promise<Map<string, string[]>> {
  let nowMs = Date.parse("2026-02-01T12:00:00Z");
  const clock: Clock = { ...systemClock, now: () => nowMs };
  // Looks that are under way see a step as a whole: this time moves when the consumers have acted.
  let measuredMs = nowMs;
  const opened = await deployment.open();
  const app = await openApp({ database: opened.database(), clock, isShared: true });
  const open = () => openNode(opened, { clock, lookMs: () => measuredMs, stated });
  const nodes = [await open(), await open()];
  const stopped: SimulatedNode[] = [];
  await begin(app);
  for (const node of nodes) await node.look();
  while (!hasEnded()) {
    await app.append("s", { type: "A" });
    nowMs += STEP_MS;
    await step(app, chance);
    measuredMs = nowMs;
    await lookUntilDone(nodes, chance);
    if (chance() < 0.2) {
      // It may still have a write on its way.
      stopped.push(...nodes.splice(Math.floor(chance() * nodes.length), 1));
      nodes.push(await open());
    }
    if (chance() < 0.3) stopped[Math.floor(chance() * stopped.length)]?.release();
  }
  for (const node of [...stopped, ...nodes]) await node.close();
  const entries = await entriesByConsumer(app, names);
  await app.close();
  await opened.dispose();
  return entries;
}
