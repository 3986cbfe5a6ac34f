import { expect, test } from "bun:test";

import { KildeError } from "../../../src/client/index.ts";
import { chanceOf } from "../../support/chance.ts";
import {
  ANYTIME,
  BACKUP,
  CONSUMER_RESTORED,
  COPY_OF_CONSUMERS,
  type Disturbance,
  FINE,
  inStorm,
  LATE_TEAM,
  MIGRATION,
  oneOf,
  SERVER_RESTORED,
} from "./lossy-world/disturbances.ts";
import type { Fate } from "./lossy-world/network.ts";
import { MARK, type Operation } from "./lossy-world/published.ts";
import {
  acknowledgedIn,
  faultsOfLog,
  hasCaughtUp,
  heldBy,
  idsOf,
  readReference,
  type Reference,
  wrongIn,
} from "./lossy-world/reference.ts";
import { openWorld, type World } from "./lossy-world/world.ts";

/*
 * Producers, a server and consumers in processes of their own, with networks between them that lose, double, delay,
 * reorder, reset and go silent. Processes are killed, a consumer's database and the server are restored from copies, a feed
 * gets a second version that consumers move to, and a late team begins. In the end every consumer has handled each event
 * once and in order. KILDE_LOSSY_SECONDS and KILDE_LOSSY_SEED choose how long, and which schedule.
 */

const SECONDS = Number(process.env["KILDE_LOSSY_SECONDS"] ?? 90);
const SEED = Number(process.env["KILDE_LOSSY_SEED"] ?? Math.floor(Math.random() * 1_000_000));

/** Until every consumer has caught up after the end of a disturbance. */
const HEAL_MS = 20_000;

/** How long a consumer is watched that does not heal in time. */
const WATCH_MS = 60_000;
const LOOK_MS = 250;

/** How long there is some more work between two disturbances. */
const QUIET_MS = 500;

/** Share of the steps that have their place which happen in a storm. */
const STORM_SHARE = 0.4;

interface Healing {
  readonly after: string;
  readonly consumer: string;
  readonly ms: number;
}

/** Waits until all consumers have caught up with the log as it is now; gives how long each took. */
async function untilHealed(world: World, after: string): Promise<Healing[]> {
  const began = performance.now();
  // There is something new for each, also when no producer came through.
  const data: Operation = { id: `${MARK}${began}`, n: 1 };
  await world.direct().append("marks", { type: "Added", data });
  const goal = await readReference(world.direct());
  const left = new Set(world.consumers);
  const healed: Healing[] = [];
  while (left.size > 0) {
    const held = Array.from(left, (each) => [each, heldBy(each.options.file)] as const);
    const ids = idsOf(await readReference(world.direct()));
    const ms = performance.now() - began;
    for (const [each, entries] of held) {
      if (!hasCaughtUp(goal, each.options.log, entries, ids) && ms < WATCH_MS) continue;
      left.delete(each);
      healed.push({ after, consumer: each.name, ms });
    }
    await Bun.sleep(LOOK_MS);
  }
  const slowest = healed.reduce((most, each) => (each.ms > most.ms ? each : most));
  console.log(
    `lossy world: ${after}: healed after ${(slowest.ms / 1_000).toFixed(1)} s (${slowest.consumer})`,
  );
  return healed;
}

/** The disturbances in order: steps with a fixed place, and random ones between them. */
function scheduleOf(chance: () => number): Disturbance[] {
  const isBackupFirst = chance() < 0.5;
  const fixed = [
    ...(isBackupFirst ? [BACKUP] : []),
    COPY_OF_CONSUMERS,
    MIGRATION,
    ...(isBackupFirst ? [] : [BACKUP]),
    CONSUMER_RESTORED,
    SERVER_RESTORED,
    LATE_TEAM,
  ];
  const shuffled = ANYTIME.map((each) => [chance(), each] as const).sort(([a], [b]) => a - b);
  const between = shuffled.map(([, each]) => each);
  const steps = fixed.flatMap((step) => [
    ...between.splice(0, 1),
    chance() < STORM_SHARE ? inStorm(step) : step,
  ]);
  return [...steps, ...between];
}

/** The disturbances after that, as long as there is time. */
const LATER = [...ANYTIME, COPY_OF_CONSUMERS, CONSUMER_RESTORED, BACKUP, SERVER_RESTORED];

async function disturb(world: World, chance: () => number): Promise<Healing[]> {
  const healings: Healing[] = [];
  const step = async (disturbance: Disturbance) => {
    await disturbance.happen(world, chance);
    healings.push(...(await untilHealed(world, disturbance.name)));
    await Bun.sleep(QUIET_MS);
  };
  const until = performance.now() + SECONDS * 1_000;
  for (const each of scheduleOf(chance)) await step(each);
  while (performance.now() < until) await step(oneOf(LATER, chance));
  return healings;
}

/** Ends all work, and waits until every consumer holds exactly the events of the log. */
async function settle(world: World): Promise<Reference> {
  await Promise.all(world.producers.map((each) => each.stop()));
  for (const network of world.networks.values()) network.set(FINE);
  const moving = world.consumers.filter(({ options }) => options.migrateFrom !== null);
  await Promise.all(moving.map((each) => each.migrated()));
  const reference = await readReference(world.direct());
  const until = performance.now() + WATCH_MS;
  const isRight = () => world.consumers.every(({ options }) => wrongIn(reference, options).length === 0);
  while (!isRight() && performance.now() < until) await Bun.sleep(LOOK_MS);
  await Promise.all(world.consumers.map((each) => each.stop()));
  return reference;
}

async function expectAllRight(world: World, reference: Reference): Promise<void> {
  for (const { options } of world.consumers) expect(wrongIn(reference, options)).toEqual([]);
  const acknowledged = world.producers.flatMap(({ options }) => acknowledgedIn(options.file));
  const direct = world.direct();
  const parted = new Map<string, Promise<number>>();
  /** Up to where the log holds what it held under an identity. */
  const heldOf = (identity: string) => {
    const known = parted.get(identity) ?? direct.history({ identity }).then(({ parted: to }) => to ?? 0);
    parted.set(identity, known);
    return known;
  };
  expect(await faultsOfLog(reference, acknowledged, heldOf)).toEqual({
    lost: [],
    doubled: [],
    unacknowledged: [],
  });
  expect(reference.events.length).toBeGreaterThan(0);
  expect(acknowledged.length).toBeGreaterThan(SECONDS);
}

function report(world: World, reference: Reference, healings: readonly Healing[]): void {
  const sorted = healings.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number) => ((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) / 1_000).toFixed(1);
  const fates = new Map<Fate, number>();
  for (const network of world.networks.values()) {
    for (const [fate, count] of network.fates) fates.set(fate, (fates.get(fate) ?? 0) + count);
  }
  console.log(
    `lossy world: seed ${SEED}, ${reference.events.length} events, ${world.consumers.length} consumers; ` +
      `time to heal p50 ${at(0.5)} s, p95 ${at(0.95)} s, max ${at(1)} s; ` +
      `requests ${JSON.stringify(Object.fromEntries(fates))}; ` +
      `webhooks ${world.consumers.map((each) => each.received()).join(" ")}`,
  );
  for (const [name, network] of world.networks)
    expect([name, network.fates.get("through") ?? 0]).not.toEqual([name, 0]);
  for (const fate of ["lost", "unanswered", "reset", "doubled", "late", "delayed"] as const)
    expect([fate, fates.get(fate) ?? 0]).not.toEqual([fate, 0]);
}

test(
  "lossy world: nothing is lost, doubled or out of order, and all heal within 20 seconds",
  async () => {
    console.log(`lossy world: KILDE_LOSSY_SEED=${SEED}`);
    const chance = chanceOf(SEED);
    const world = await openWorld(SEED, chance);
    try {
      const healings = await disturb(world, chance);
      const reference = await settle(world);
      report(world, reference, healings);
      await expectAllRight(world, reference);
      expect(healings.filter(({ ms }) => ms > HEAL_MS)).toEqual([]);
    } catch (error) {
      if (!(error instanceof KildeError)) console.log(world.logs());
      throw error;
    } finally {
      await world.close();
    }
  },
  SECONDS * 1_000 + 600_000,
);
