import { expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, emptyFolder, run } from "../../cli/support.ts";
import { buildBinary } from "../../support/built-binary.ts";
import { ROUNDS, SEED } from "../../support/fuzz/chance.ts";
import { serveFuzzed } from "../../support/fuzz/fuzzed-server.ts";

cleanUp();

/** Schemathesis (PyPI): `pip install schemathesis` puts it on the PATH. */
const SCHEMATHESIS = process.env["KILDE_SCHEMATHESIS"] ?? Bun.which("schemathesis");
/** The refusals of requests that the schemas allow. */
const HOOKS = join(import.meta.dir, "schemathesis-hooks.py");
const SECONDS_PER_ROUND = 40;

const binary = SCHEMATHESIS === null ? null : buildBinary();
if (binary === null) console.log("Skipped: schemathesis is not installed (pip install schemathesis)");

test.skipIf(binary === null)(
  "Schemathesis over /openapi.json: every answer is one that the document describes",
  async () => {
    const server = await serveFuzzed(emptyFolder(), binary?.program ?? []);
    const finished = await run(
      [
        "run",
        `${server.url}/openapi.json`,
        "--checks",
        "all",
        // `explained_refusal` of the hooks runs it.
        "--exclude-checks",
        "positive_data_acceptance",
        "--max-time",
        String(SECONDS_PER_ROUND * ROUNDS),
        // It does not end.
        "--exclude-path",
        "/changes",
        // A request may ask for a long-poll.
        "--request-timeout",
        "70",
        "--max-response-time",
        "70",
        "--seed",
        String(SEED),
        "--warnings",
        "off",
      ],
      {
        cwd: server.cwd,
        program: [SCHEMATHESIS ?? ""],
        environment: { SCHEMATHESIS_HOOKS: HOOKS, PYTHONDONTWRITEBYTECODE: "1" },
      },
    );
    expect({ exitCode: finished.exitCode, stdout: finished.stdout.slice(-4_000) }).toMatchObject({
      exitCode: 0,
    });
    expect(await server.kilde(["doctor"])).toMatchObject({ exitCode: 0 });
    expect((await server.stop()).exitCode).toBe(0);
  },
  ROUNDS * SECONDS_PER_ROUND * 1_000 + 240_000,
);
