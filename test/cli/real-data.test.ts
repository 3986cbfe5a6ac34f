import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { runsOn } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, jsonLines, serve } from "./support.ts";

runsOn(["file", "sqld"]);

cleanUp();

/** Travel-expense declarations of a university, as its workflow system recorded them. */
const DATA = join(import.meta.dir, "../../../shared/data/domestic-declarations.ndjson.gz");

interface Declared {
  readonly stream: string;
  readonly type: string;
  readonly id: string;
  readonly time: string;
  readonly data: unknown;
}

test.skipIf(!existsSync(DATA))(
  "the declarations go in and come out, time for time and value for value",
  async () => {
    const source = jsonLines<Declared>(new TextDecoder().decode(gunzipSync(await Bun.file(DATA).bytes())));
    expect(source).toHaveLength(55_628);
    const server = await serve(emptyFolder(), ["--no-access-log"]);
    const imported = await server.kilde(["import", DATA, "--json"]);
    expect(imported.stderr).toBe("");
    expect(JSON.parse(imported.stdout)).toMatchObject({ events: 55_628, replayed: 0, position: 55_628 });

    const streams = jsonLines<{ stream: string; version: number }>(
      (await server.kilde(["streams", "--json"])).stdout,
    );
    expect(streams).toHaveLength(10_357);
    expect(streams.reduce((sum, { version }) => sum + version, 0)).toBe(55_628);

    const longest = streams.reduce((most, info) => (info.version > most.version ? info : most));
    expect(longest.version).toBe(24);
    const events = jsonLines((await server.kilde(["read", longest.stream])).stdout);
    expect(events.map(({ type, time, sequence }) => [type, time, Number(sequence)])).toEqual(
      source
        .filter(({ stream }) => stream === longest.stream)
        .map(({ type, time }, index) => [type, time, index + 1]),
    );

    const all = jsonLines<Omit<Declared, "id"> & { metadata: { id: string } }>(
      (await server.kilde(["export"])).stdout,
    );
    const asSource = all.map(({ stream, type, metadata, time, data }) => ({
      stream,
      type,
      id: metadata.id,
      time,
      data,
    }));
    expect(asSource).toEqual(source);
    await server.stop();
    expect((await server.kilde(["doctor"])).exitCode).toBe(0);
  },
  120_000,
);
