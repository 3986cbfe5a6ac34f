import type { Weather } from "./network.ts";
import type { World } from "./world.ts";

/** Disturbances of the lossy world. Each resolves when it has ended. */

export interface Disturbance {
  readonly name: string;
  happen(world: World, chance: () => number): Promise<void>;
}

/** Weather between the disturbances: it is never quite fine. */
export const USUAL: Weather = { kind: "lossy", share: 0.02 };

/** The last weather. */
export const FINE: Weather = { kind: "lossy", share: 0 };

const STORM: Weather = { kind: "lossy", share: 0.4 };

const MIN_OUTAGE_MS = 1_500;
const MAX_OUTAGE_MS = 6_000;
const MAX_DOWN_MS = 1_500;

export function oneOf<Item>(items: readonly Item[], chance: () => number): Item {
  const item = items[Math.floor(chance() * items.length)];
  if (item === undefined) throw new Error("there is none to choose from");
  return item;
}

/** Networks whose name begins so; all of them for an empty text. */
function setWeather({ networks }: World, prefix: string, weather: Weather): void {
  for (const [name, network] of networks) if (name.startsWith(prefix)) network.set(weather);
}

function outage(prefix: "producers" | "consumers" | "hook" | "", weather: Weather): Disturbance {
  return {
    name: `${prefix === "" ? "all networks" : prefix} ${weather.kind}`,
    async happen(world, chance) {
      setWeather(world, prefix, weather);
      await Bun.sleep(MIN_OUTAGE_MS + chance() * (MAX_OUTAGE_MS - MIN_OUTAGE_MS));
      setWeather(world, prefix, USUAL);
    },
  };
}

/** Disturbances that may happen at any time, in any order. */
export const ANYTIME: readonly Disturbance[] = [
  outage("", STORM),
  outage("producers", STORM),
  outage("consumers", { kind: "silent" }),
  outage("producers", { kind: "silent" }),
  outage("hook", { kind: "silent" }),
  outage("consumers", { kind: "refusing" }),
  outage("hook", { kind: "refusing" }),
  outage("", { kind: "silent" }),
  {
    name: "producers killed",
    async happen({ producers }, chance) {
      for (const each of producers) {
        await each.kill();
        await Bun.sleep(chance() * MAX_DOWN_MS);
        await each.start();
      }
    },
  },
  {
    name: "consumer killed",
    async happen({ consumers }, chance) {
      const killed = oneOf(consumers, chance);
      await killed.kill();
      await Bun.sleep(chance() * MAX_DOWN_MS);
      await killed.start();
    },
  },
  {
    name: "server killed",
    async happen(world, chance) {
      await world.killServer();
      await Bun.sleep(chance() * MAX_DOWN_MS);
      await world.startServer();
    },
  },
];

/** The disturbance, while networks lose, double and delay a large share of the requests. */
export function inStorm({ name, happen }: Disturbance): Disturbance {
  return {
    name: `${name}, in a storm`,
    async happen(world, chance) {
      setWeather(world, "", STORM);
      await happen(world, chance);
      setWeather(world, "", USUAL);
    },
  };
}

export const COPY_OF_CONSUMERS: Disturbance = {
  name: "databases of consumers copied",
  async happen(world) {
    for (const each of world.consumers) world.copyDatabase(each);
  },
};

export const BACKUP: Disturbance = { name: "server backed up", happen: (world) => world.backUp() };

export const CONSUMER_RESTORED: Disturbance = {
  name: "database of a consumer restored",
  async happen(world, chance) {
    const restored = oneOf(
      world.consumers.filter((each) => world.hasCopy(each)),
      chance,
    );
    await restored.kill();
    world.restoreDatabase(restored);
    await restored.start();
  },
};

export const SERVER_RESTORED: Disturbance = { name: "server restored", happen: (world) => world.restore() };

export const MIGRATION: Disturbance = {
  name: "second version",
  async happen(world) {
    await world.publishSecondVersion();
    const moving = world.consumers.filter(({ options }) => options.log === "payments/v1");
    await Promise.all(moving.map((each) => world.migrate(each)));
  },
};

export const LATE_TEAM: Disturbance = {
  name: "late team",
  happen: async (world) => void (await world.addConsumer("late-payments", "sse", "payments/v2")),
};
