import { jsonText } from "../../../src/core/json.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import type { Database } from "../../../src/storage/database.ts";
import { addSubscription } from "../../../src/webhooks/subscriptions/change.ts";
import { readLanes, readSubscription } from "../../../src/webhooks/subscriptions/record.ts";
import type { StoredLane } from "../../../src/webhooks/subscriptions/subscription.ts";
import { newDatabase } from "../../support/new-database.ts";
import { type ComposedStore, openTestStore } from "../../support/open-store.ts";
import { type Administration, openAdministration } from "./administration.ts";
import { createChecks } from "./checks.ts";
import { createMadeTime, trackedCalls } from "./clock.ts";
import { createModel, type Model } from "./model.ts";
import { createNetwork, poisonedSubjects } from "./network.ts";
import { MOST_RETRY_AFTER_MS, type Nodes, startNodes } from "./nodes.ts";
import type { SimulationOptions, SimulationResult } from "./options.ts";
import { subscriptionRow } from "../subscription-row.ts";
import { createWorld, FIRST_SECRET, nameOf, START, SUBSCRIPTION, type World } from "./world.ts";

/*
 * A subscription under a fake clock and a fake network: several nodes deliver it, crash, pause and lose their leases;
 * the endpoint fails at random, answers late, or its answer is lost. A seed determines the whole run. The checks see
 * each request, and the end.
 */

/** Time within which every event is delivered once failures have ended: no wait for the next probe is longer. */
const LONGEST_QUIET_MS = 75 * 60_000;

interface Simulation {
  readonly world: World;
  readonly database: Database;
  readonly store: ComposedStore;
  readonly model: Model;
  readonly administration: Administration;
}

async function subscribe({ options, time }: World, { writer }: ComposedStore): Promise<void> {
  const filter = { types: options.filtered ? ["A"] : undefined };
  const row = subscriptionRow(SUBSCRIPTION, {
    config: { url: "https://receiver.example/hook", filter, mode: options.mode },
    secrets: { signing: [{ sealed: FIRST_SECRET, until: null }], headers: null },
    now: new Date(time.now()).toISOString(),
  });
  await addSubscription(writer, row);
}

/** Appends a few events to one subject. */
async function append({ world, store, model }: Simulation): Promise<void> {
  const { options, chance, upTo } = world;
  const subject = nameOf(upTo(options.subjects));
  const count = 1 + upTo(4);
  const types = Array.from({ length: count }, () => (chance() < 0.5 ? "A" : "B"));
  const outcome = await store.writer.append({
    parts: [
      {
        subject,
        expectedVersion: "any",
        erases: false,
        events: types.map((type) => ({ type, time: null, data: jsonText({ n: 1 }), extensions: null })),
      },
    ],
    idempotency: null,
  });
  if (outcome.outcome !== "appended") throw new Error("an append was refused");
  model.appended(subject, types, outcome.results[0]?.version ?? 0);
}

/** Appends events while the faults of the options happen. */
async function disturb(simulation: Simulation, nodes: Nodes): Promise<void> {
  const { options, time, chance, upTo } = simulation.world;
  for (let done = 0; done < options.events; done += 1) {
    await append(simulation);
    if (chance() < 0.5) await time.runUntil(time.now() + upTo(400));
    for (const delivering of nodes.delivering()) if (chance() < 0.5) delivering?.notify();
    if (options.crashes && chance() < 0.01) nodes.disturb();
    if ((options.changes || options.patches) && chance() < 0.03 && (await simulation.administration.change()))
      for (const delivering of nodes.delivering()) if (chance() < 0.5) delivering?.changed(SUBSCRIPTION);
    nodes.restart();
    if (options.clockSteps && chance() < 0.04) nodes.stepClock();
  }
  await time.runUntil(time.now() + 30_000);
}

async function isComplete({ database, store, model }: Simulation): Promise<boolean> {
  if (model.undelivered().length > 0 || model.owedAgain.size > 0) return false;
  const subscription = await readSubscription(database, SUBSCRIPTION);
  return subscription?.rewind === null && subscription.cursor === (await store.reader.head());
}

/** Ends all faults, and waits until every event is delivered. */
async function settle(simulation: Simulation): Promise<void> {
  const { world, database, store, model, administration } = simulation;
  const { time, faults } = world;
  world.calmSinceMs = time.now();
  const deadline = time.now() + LONGEST_QUIET_MS;
  while (time.now() < deadline && !(await isComplete(simulation))) {
    await administration.resume();
    await time.runUntil(time.now() + 5_000);
  }
  if (!(await isComplete(simulation))) {
    const lost = model.undelivered();
    const again = [...model.owedAgain];
    const subscription = await readSubscription(database, SUBSCRIPTION);
    faults.push(
      `not delivered: ${lost.slice(0, 5).join(", ")} (${lost.length}), again: ${again.slice(0, 5).join(", ")} (${again.length}); cursor ${subscription?.cursor} of ${await store.reader.head()}, rewind ${JSON.stringify(subscription?.rewind)}`,
    );
  }
  // A repetition may have been answered with a pause before the faults ended.
  const settledBy = time.now() + MOST_RETRY_AFTER_MS + 80_000;
  let detached: readonly StoredLane[] = [];
  do {
    await administration.resume();
    await time.runUntil(time.now() + 20_000);
    detached = (await Array.fromAsync(readLanes(database, SUBSCRIPTION))).flat();
  } while (detached.length > 0 && time.now() < settledBy);
  if (detached.length > 0) faults.push(`still detached: ${JSON.stringify(detached)}`);
}

/** Runs one simulation to its end. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const calls = trackedCalls();
  const time = createMadeTime(START, calls.settled);
  const world = createWorld(options, time);
  const own = await newDatabase();
  const database: Database = {
    ...own,
    read: (statement) => calls.track(own.read(statement)),
    write: (statements) => calls.track(own.write(statements)),
  };
  const store = await openTestStore({
    database,
    // Appends are not part of the simulation, and wait for nothing.
    clock: { ...time.clock(0), yield: () => Promise.resolve() },
    limits: DEFAULT_LIMITS,
    pollIntervalMs: 100,
  });
  const poisoned = poisonedSubjects(world);
  const model = createModel(world, (subject) => poisoned.has(subject));
  const checks = createChecks(world, model);
  const network = createNetwork(world, model, poisoned);
  await subscribe(world, store);
  const nodes = startNodes(world, { database, model, checks, network });
  const administration = openAdministration(world, database, store, model);
  const simulation: Simulation = { world, database, store, model, administration };
  await disturb(simulation, nodes);
  await settle(simulation);
  nodes.end();
  // A server that ends would fail the reads in flight.
  await calls.settled();
  // A database in memory ends with the work that still uses it.
  if (!own.embedded) own.close();
  return { ...model.counts, faults: world.faults };
}
