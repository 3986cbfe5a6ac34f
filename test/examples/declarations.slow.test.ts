import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import config from "./declarations/kilde.config.ts";
import { compileFeeds } from "../../src/feeds/define/compile-all.ts";
import { createRehearsal } from "../../src/feeds/define/rehearse.ts";
import { createClient } from "../../src/client/index.ts";
import { cleanUp, emptyFolder, serve } from "../cli/support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");

/** Travel-expense declarations of a university, as its workflow system recorded them. */
const DATA = join(ROOT, "../shared/data/domestic-declarations.ndjson.gz");

const EXAMPLE = readFileSync(join(import.meta.dir, "declarations/kilde.config.ts"), "utf8");
const BOTH = "feeds: [declarationsV1, declarationsV2]";

interface State {
  readonly status: string;
  readonly lag: { readonly events: number };
}

async function live(url: string, version: number): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const state = (await (await fetch(`${url}/feeds/declarations/v${version}/status`)).json()) as State;
    if (state.status === "live" && state.lag.events === 0) return;
    await Bun.sleep(100);
  }
  throw new Error(`version ${version} did not become live`);
}

interface Published {
  readonly subject: string;
  readonly version: number;
  readonly type: string;
  readonly time: string;
  readonly data: unknown;
}

function textOf({ subject, version, type, time, data }: Published): string {
  return JSON.stringify([subject, version, type, time, data]);
}

test.skipIf(!existsSync(DATA))(
  "a second version is built beside the first while both are read, and then the first is retired",
  async () => {
    const folder = emptyFolder();
    expect(EXAMPLE).toContain(BOTH);
    writeFileSync(join(folder, "kilde.config.ts"), EXAMPLE.replace(BOTH, "feeds: [declarationsV1]"));
    const first = await serve(folder, ["--no-access-log"]);
    expect((await first.kilde(["import", DATA])).exitCode).toBe(0);
    await live(first.url, 1);
    const before = await Array.fromAsync(createClient({ url: first.url }).read({ feed: "declarations/v1" }));
    await first.stop();

    writeFileSync(join(folder, "kilde.config.ts"), EXAMPLE);
    const { url, kilde } = await serve(folder, ["--no-access-log"]);
    let done = false;
    const reading = (async () => {
      let reads = 0;
      for (; !done; reads += 1) {
        const paths = [
          "",
          "?timeout=20&direction=forwards",
          "/subjects?limit=50",
          "/subjects/declaration-86791",
        ];
        for (const path of [...paths.map((each) => `v1${each}`), ...paths.map((each) => `v2${each}`)]) {
          const response = await fetch(`${url}/feeds/declarations/${path}`);
          expect({ path, status: response.status }).toEqual({ path, status: 200 });
          await response.arrayBuffer();
        }
      }
      return reads;
    })();
    await live(url, 2);
    done = true;
    expect(await reading).toBeGreaterThan(0);

    const client = createClient({ url });
    const events = await Array.fromAsync(client.read());
    expect(events).toHaveLength(55_628);
    const versions = compileFeeds(config.feeds ?? []);
    for (const feed of versions) {
      const published = await Array.fromAsync(client.read({ feed: `declarations/v${feed.version}` }));
      const rehearse = createRehearsal(feed);
      const expected = events.flatMap(({ type, subject, version, position, time, data }) =>
        rehearse({ type, subject, version, position, time, data, extensions: {} }),
      );
      // In which order subjects stand may differ: one was read while the version was built.
      const textsOf = (all: readonly Published[]) => all.map(textOf).toSorted();
      expect(textsOf(published.map((event) => ({ ...event, subject: event.subject })))).toEqual(
        textsOf(expected),
      );
      if (feed.version === 1) expect(published).toEqual(before);
    }

    expect((await kilde(["feeds", "retire", "declarations", "v1"])).exitCode).toBe(0);
    expect((await fetch(`${url}/feeds/declarations/v1`)).status).toBe(410);
    for (let tries = 0; tries < 300; tries += 1) {
      const { feeds } = (await (await fetch(`${url}/feeds`)).json()) as { feeds: { version: number }[] };
      if (feeds.length === 1) break;
      await Bun.sleep(100);
    }
    expect((await fetch(`${url}/feeds/declarations/v2?limit=10`)).status).toBe(200);
    expect((await kilde(["doctor", "--database-url", "file:data/kilde.db"])).exitCode).toBe(0);
  },
  240_000,
);
