import { expect, test } from "bun:test";

import type { TestApp } from "../../support/app.ts";
import { chanceOf } from "../../support/chance.ts";
import { forEachDeployment } from "../../support/deployments.ts";
import { objective } from "./objectives.ts";
import { type ConsumerModel, simulateNodes } from "./simulated-nodes.ts";

/*
 * Consumers stop and continue at random, or are forgotten and return, while two nodes that fail in the ways of
 * `simulated-nodes.ts` look at their objectives. Each consumer must have the alarms of its own history, and no other ones.
 */

const FLAPS = 1_000;
const CONSUMERS = 40;

const NAMES = Array.from({ length: CONSUMERS }, (_, index) => `consumer-${index + 1}`);

async function commit(app: TestApp, name: string, position: number): Promise<void> {
  const init = { method: "PUT", body: JSON.stringify({ position }) };
  expect((await app.fetch(`/events/consumers/${name}`, init)).status).toBe(200);
}

interface ExpectingModel extends ConsumerModel {
  readonly expected: Map<string, string[]>;
}

/** Consumers that commit each event, or do not for some time. */
function stoppingConsumers(): ExpectingModel {
  const runs = new Map(NAMES.map((name) => [name, 0]));
  const expected = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  let [flaps, position] = [0, 0];
  const stepOf = (name: string, isDown: boolean) => {
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
  };
  return {
    stated: NAMES.map((name) =>
      objective({ kind: "consumer", name, lagSeconds: 30, silentSeconds: 150, contact: `#${name}` }),
    ),
    names: NAMES,
    expected,
    hasEnded: () => flaps >= FLAPS,
    async begin(app) {
      for (const name of NAMES) await commit(app, name, 0);
    },
    async step(app, chance) {
      position += 1;
      for (const name of NAMES) {
        const wasDown = (runs.get(name) ?? 0) > 0;
        const isDown = chance() < 0.8 ? !wasDown : wasDown;
        if (!isDown) await commit(app, name, position);
        stepOf(name, isDown);
      }
    },
  };
}

/** Consumers that have never read at first, and then read, are forgotten and read again. */
function absentConsumers(): ExpectingModel {
  /** Steps since a consumer was forgotten; null: it reads. */
  const absent = new Map<string, number | null>(NAMES.map((name) => [name, 0]));
  const expected = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  let flaps = 0;
  return {
    stated: NAMES.map((name) => objective({ kind: "consumer", name, silentSeconds: 150 })),
    names: NAMES,
    expected,
    hasEnded: () => flaps >= FLAPS,
    begin: () => Promise.resolve(),
    async step(app, chance) {
      for (const name of NAMES) {
        const entries = expected.get(name) ?? [];
        const steps = absent.get(name) ?? null;
        if (steps === null) {
          await commit(app, name, 0);
          if (chance() < 0.3) continue;
          const removed = await app.fetch(`/events/consumers/${name}`, { method: "DELETE" });
          expect(removed.status).toBe(204);
          entries.push("consumer.forgotten");
          absent.set(name, 0);
        } else if (chance() < 0.4) {
          await commit(app, name, 0);
          if (steps > 1) entries.push("consumer.recovered silent");
          flaps += 1;
          absent.set(name, null);
        } else {
          if (steps === 1) entries.push("consumer.silent");
          absent.set(name, steps + 1);
        }
      }
    },
  };
}

forEachDeployment(["file", "sqld"], (deployment) => {
  test.each([
    ["stop and continue", stoppingConsumers],
    ["are forgotten and return", absentConsumers],
  ])(
    `${FLAPS} random flaps of consumers that %s make each alarm once, in order, over two nodes that fail and restart (${deployment.name})`,
    async (_, createModel) => {
      const seed = Math.floor(Math.random() * 2 ** 32);
      const model = createModel();
      const entries = await simulateNodes(deployment, model, chanceOf(seed));
      expect({ seed, entries }).toEqual({ seed, entries: model.expected });
    },
    300_000,
  );
});
