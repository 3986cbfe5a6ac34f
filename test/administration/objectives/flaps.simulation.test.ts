import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { UNANSWERED } from "../../../src/storage/failures.ts";
import { openApp, type Deployment, type TestApp } from "../../support/app.ts";
import { chanceOf } from "../../support/chance.ts";
import { forEachDeployment } from "../../support/deployments.ts";
import { ALARMS_QUERY, alarmOf, objective, watcher } from "./objectives.ts";

/*
 * Consumers stop and continue at random, while two nodes look at their objectives. Writes of a node are refused, or their
 * answers are lost, or they arrive much later, when the other node has made the change; a node stands still after each of its
 * reads; nodes stop at any time, and start again while their last write is still on its way. Each consumer must have the
 * alarms of its own history, and no other ones.
 */

const FLAPS = 1_000;
const CONSUMERS = 40;

/** Longer than the lag that is allowed; two of these are longer than the silence. */
const STEP_MS = 100_000;

type Fault = "none" | "refused" | "lost" | "late" | "paused";
const FAULTS: readonly Fault[] = ["none", "none", "refused", "lost", "late", "late", "paused", "paused"];

const NAMES = Array.from({ length: CONSUMERS }, (_, index) => `consumer-${index + 1}`);
const STATED = NAMES.map((name) =>
  objective({ kind: "consumer", name, lagSeconds: 30, silentSeconds: 150, contact: `#${name}` }),
);

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
  clock: Clock,
  lookMs: () => number,
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
    stated: STATED,
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

/** The consumers as they really are, with the alarms that each must have. */
function createModel() {
  const runs = new Map(NAMES.map((name) => [name, 0]));
  const expected = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  let flaps = 0;
  return {
    expected,
    flaps: () => flaps,
    isDown: (name: string) => (runs.get(name) ?? 0) > 0,
    /** Another step passes in which a consumer commits, or does not. */
    step(name: string, isDown: boolean) {
      const before = runs.get(name) ?? 0;
      const steps = isDown ? before + 1 : 0;
      runs.set(name, steps);
      const alarms = expected.get(name) ?? [];
      if (steps === 1) alarms.push("consumer.late");
      if (steps === 2) alarms.push("consumer.silent");
      if (isDown || before === 0) return;
      flaps += 1;
      alarms.push("consumer.recovered late");
      if (before > 1) alarms.push("consumer.recovered silent");
    },
  };
}

async function commit(app: TestApp, name: string, position: number): Promise<void> {
  const init = { method: "PUT", body: JSON.stringify({ position }) };
  expect((await app.fetch(`/events/consumers/${name}`, init)).status).toBe(200);
}

async function alarmsByConsumer(app: TestApp): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  for (const [subject, type, data] of (await app.get(ALARMS_QUERY)).map(alarmOf)) {
    const { from } = data as { readonly from?: string };
    found.get(subject.replace("/events/consumers/", ""))?.push(from === undefined ? type : `${type} ${from}`);
  }
  return found;
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

forEachDeployment(["file", "sqld"], (deployment) => {
  test(`${FLAPS} random flaps make each alarm once, in order, over two nodes that fail and restart (${deployment.name})`, async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const chance = chanceOf(seed);
    let nowMs = Date.parse("2026-02-01T12:00:00Z");
    const clock: Clock = { ...systemClock, now: () => nowMs };
    // Looks that are under way see a step as a whole: this time moves when the consumers have committed.
    let measuredMs = nowMs;
    const lookMs = () => measuredMs;
    const opened = await deployment.open();
    const app = await openApp({ database: opened.database(), clock, isShared: true });
    const nodes = [await openNode(opened, clock, lookMs), await openNode(opened, clock, lookMs)];
    const stopped: SimulatedNode[] = [];
    const model = createModel();
    for (const name of NAMES) await commit(app, name, 0);
    for (let position = 1; model.flaps() < FLAPS; position += 1) {
      await app.append("s", { type: "A" });
      nowMs += STEP_MS;
      for (const name of NAMES) {
        const isDown = chance() < 0.8 ? !model.isDown(name) : model.isDown(name);
        if (!isDown) await commit(app, name, position);
        model.step(name, isDown);
      }
      measuredMs = nowMs;
      await lookUntilDone(nodes, chance);
      if (chance() < 0.2) {
        // It may still have a write on its way.
        stopped.push(...nodes.splice(Math.floor(chance() * nodes.length), 1));
        nodes.push(await openNode(opened, clock, lookMs));
      }
      if (chance() < 0.3) stopped[Math.floor(chance() * stopped.length)]?.release();
    }
    for (const node of [...stopped, ...nodes]) await node.close();
    expect({ seed, alarms: await alarmsByConsumer(app) }).toEqual({ seed, alarms: model.expected });
    await app.close();
    await opened.dispose();
  }, 300_000);
});
