import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";

import { browserTest, hasBrowser, useBrowser } from "./chromium.ts";
import { type ConsoleServer, openConsoleServer } from "./console-server.ts";

const CONFIG = "building-feeds.ts";
const EVENTS = 6_000;

const browser = useBrowser();
let server: ConsoleServer;
beforeAll(async () => {
  if (!hasBrowser) return;
  server = await openConsoleServer({ config: CONFIG });
  const lines = Array.from({ length: EVENTS }, (_, count) =>
    JSON.stringify({ stream: `count-${count % 100}`, type: "Counted", data: { count } }),
  );
  await Bun.write(join(server.folder, "events.ndjson"), lines.join("\n"));
  const { exitCode, stderr } = await server.kilde("import", "events.ndjson");
  expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
});
afterAll(() => server?.close());

browserTest(
  "a page that is open during a deployment shows how two new versions are built, until they are live",
  async () => {
    const page = await browser.open(`${server.url}/console/feeds`, {
      expectedFaults: /net::ERR_|Failed to load/,
    });
    const card = (version: number) => page.getByRole("article", { name: `Version ${version}` });
    await card(1).getByText("live", { exact: true }).waitFor();
    expect(await card(2).count()).toBe(0);

    await server.stop();
    await server.start({ config: CONFIG, environment: { KILDE_TEST_VERSIONS: "1,2,3" } });
    const progress = async (version: number): Promise<number> => {
      const bar = card(version).getByRole("progressbar");
      await bar.waitFor();
      return bar.evaluate((each: HTMLProgressElement) => each.position);
    };
    const [second, third] = await Promise.all([progress(2), progress(3)]);
    for (const version of [2, 3]) {
      await card(version).getByText("live", { exact: true }).waitFor();
      await card(version)
        .getByText(/6,000 events/)
        .waitFor();
    }
    expect(second).toBeLessThan(1);
    expect(third).toBeLessThan(1);
  },
);
