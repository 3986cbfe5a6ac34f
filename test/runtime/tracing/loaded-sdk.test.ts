import { expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, emptyFolder, FROM_SOURCE, serve } from "../../cli/support.ts";

cleanUp();

/** Prints which of OpenTelemetry's modules the process has loaded, when it ends. */
const AT_EXIT = `process.on("exit", () => {
  const loaded = Object.keys(require.cache).flatMap((path) => /@opentelemetry.([a-z-]+)/.exec(path)?.[1] ?? []);
  console.error("loaded: " + [...new Set(loaded)].toSorted().join(" "));
});`;

async function loadedModules(environment: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const cwd = emptyFolder();
  await Bun.write(join(cwd, "at-exit.ts"), AT_EXIT);
  const [bun, main] = FROM_SOURCE;
  const server = await serve(cwd, [], { program: [bun, "--preload", "./at-exit.ts", main], environment });
  expect((await fetch(`${server.url}/events`)).status).toBe(200);
  const { stderr } = await server.stop();
  return /^loaded: (.*)$/m.exec(stderr)?.[1]?.split(" ") ?? [];
}

test("a server that exports no traces loads the interfaces of OpenTelemetry alone, and nothing that exports", async () => {
  expect(await loadedModules({})).toEqual(["api"]);
  const exporting = await loadedModules({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" });
  expect(exporting).toEqual(expect.arrayContaining(["exporter-trace-otlp-proto", "sdk-trace-base"]));
});
