import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { join } from "node:path";

import { cleanUp, emptyFolder, type Finished, run } from "./support.ts";
import { buildBinary } from "../support/built-binary.ts";
import { type Chance, ROUNDS, SEED, seededChance } from "../support/fuzz/chance.ts";
import { CONFIG, serveFuzzed } from "../support/fuzz/fuzzed-server.ts";
import { hostileJson, hostileText, mutated } from "../support/fuzz/hostile-text.ts";

cleanUp();
const { program } = buildBinary();

const IMPORTS_PER_ROUND = 150;
const CONFIGS_PER_ROUND = 150;

/** The documented exit codes, and no stack of the program's own. */
function expectOrderly({ exitCode, stderr }: Finished, input: string): void {
  const orderly = exitCode >= 0 && exitCode <= 5 && !stderr.includes("a fault in the program");
  expect(orderly ? null : `exit code ${exitCode}\n${stderr}\n---\n${input}`).toBeNull();
}

function importLine(chance: Chance): string {
  const stream = JSON.stringify(chance.happens(0.9) ? `i-${chance.below(9)}` : hostileText(chance));
  const members = [
    `"stream":${stream}`,
    `"type":${JSON.stringify(chance.happens(0.95) ? "Noted" : hostileText(chance))}`,
  ];
  if (chance.happens(0.8)) members.push(`"data":${hostileJson(chance).replaceAll(/[\r\n]/g, " ")}`);
  if (chance.happens(0.1)) members.push(`"metadata":${hostileJson(chance).replaceAll(/[\r\n]/g, " ")}`);
  if (chance.happens(0.1))
    members.push(`"time":${JSON.stringify(chance.pick(["2026-01-31T12:00:00Z", "yesterday"]))}`);
  if (chance.happens(0.1))
    members.push(`"ext${chance.below(3)}":${hostileJson(chance, 4).replaceAll(/[\r\n]/g, " ")}`);
  return `{${members.join(",")}}`;
}

function importFile(chance: Chance): Uint8Array<ArrayBuffer> {
  const text = chance.several(0, 40, () => importLine(chance)).join(chance.pick(["\n", "\r\n", "\n\n"]));
  const bytes = chance.happens(0.4) ? mutated(chance, text) : Buffer.from(text);
  if (!chance.happens(0.3)) return new Uint8Array(bytes);
  const zipped = gzipSync(bytes);
  return new Uint8Array(chance.happens(0.5) ? zipped : zipped.subarray(0, chance.below(zipped.length + 1)));
}

test(
  "random files to import: each is imported or rejected with a message, and the store is sound",
  async () => {
    console.log(`KILDE_FUZZ_SEED=${SEED}`);
    const server = await serveFuzzed(emptyFolder(), program);
    for (let round = 0; round < ROUNDS; round += 1) {
      const chance = seededChance(SEED + round);
      for (let n = 0; n < IMPORTS_PER_ROUND; n += 1) {
        const file = importFile(chance);
        const name = join(server.cwd, `import-${round}-${n}.ndjson${file[0] === 0x1f ? ".gz" : ""}`);
        await Bun.write(name, file);
        expectOrderly(
          await server.kilde(["import", name]),
          Buffer.from(file).toString("latin1").slice(0, 2_000),
        );
      }
      expect(await server.kilde(["export", join(server.cwd, `all-${round}.ndjson`)])).toMatchObject({
        exitCode: 0,
      });
      expect(await server.kilde(["doctor"])).toMatchObject({ exitCode: 0 });
    }
    expect((await server.stop()).exitCode).toBe(0);
  },
  ROUNDS * 180_000,
);

const SETTINGS = [
  "port",
  "host",
  "databaseUrl",
  "readUrl",
  "corsOrigins",
  "secretKeys",
  "egressAllow",
  "pollIntervalMs",
  "shutdownTimeoutMs",
  "behindProxy",
  "open",
  "tlsCert",
  "tlsKey",
  "logLevel",
  "accessLog",
  "limits",
  "feeds",
  "tenants",
  "__proto__",
  "unknown",
] as const;

function literal(chance: Chance): string {
  return chance.pick([
    () => hostileJson(chance),
    () => JSON.stringify(hostileText(chance)),
    () => "() => 1",
    () => "undefined",
    () => "NaN",
    () => "10n",
    () => `{ eventBytes: ${hostileJson(chance, 5)}, pageEvents: ${chance.pick(["0", "-1", "1e9", '"x"'])} }`,
    () =>
      `[{ name: ${JSON.stringify(hostileText(chance))}, path: ${JSON.stringify(hostileText(chance))}, databaseUrl: "file:x.db" }]`,
  ])();
}

function configFile(chance: Chance): string {
  if (chance.happens(0.3)) return mutated(chance, CONFIG).toString("utf8");
  const members = chance.several(0, 4, () => `${JSON.stringify(chance.pick(SETTINGS))}: ${literal(chance)}`);
  return `export default { ${members.join(", ")} };`;
}

const VARIABLES = [
  "PORT",
  "HOST",
  "DATABASE_URL",
  "LIMIT_EVENT_BYTES",
  "LIMIT_FOLLOWERS",
  "SECRET_KEYS",
  "CORS_ORIGIN",
];

test(
  "random settings: the program runs with them, or names the faults and exits",
  async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const chance = seededChance(SEED - round);
      for (let n = 0; n < CONFIGS_PER_ROUND; n += 1) {
        const cwd = emptyFolder();
        const config = configFile(chance);
        await Bun.write(join(cwd, "kilde.config.ts"), config);
        const variables = chance.several(0, chance.pick([0, 0, 2]), () => [
          `KILDE_${chance.pick(VARIABLES)}`,
          hostileText(chance).replaceAll("\0", ""),
        ]);
        const environment = Object.fromEntries(variables) as Record<string, string>;
        // It reads all settings and the database, and ends.
        const finished = await run(["migrate"], { cwd, environment, program });
        expectOrderly(finished, `${config}\n${JSON.stringify(environment)}`);
      }
    }
  },
  ROUNDS * 180_000,
);
