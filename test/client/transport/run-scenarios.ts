import { SCENARIOS } from "./scenarios.ts";
import { createWorld } from "./world.ts";

/** Runs each scenario in Node with each transport, and prints the failures by transport and title. */
const [, , kilde = "", cert = "", key = ""] = process.argv;
const transports = {
  "node:http": {},
  fetch: { fetch: (url: string, init: RequestInit) => fetch(url, init) },
};

const failures: Record<string, string> = {};
for (const [name, transport] of Object.entries(transports)) {
  await Promise.all(
    SCENARIOS.map(async ({ title, isOwn, run }) => {
      if (isOwn === true && name === "fetch") return;
      const world = createWorld(kilde, { cert, key }, transport);
      await run(world).catch((error: unknown) => {
        failures[`${name}: ${title}`] =
          error instanceof Error ? (error.stack ?? error.message) : String(error);
      });
      world.end();
    }),
  );
}
// Not an exit: kept connections must not keep the process alive.
console.log(JSON.stringify(failures));
