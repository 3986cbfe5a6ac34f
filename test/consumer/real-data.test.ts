import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { createConsumer, eventLog } from "../../src/consumer/index.ts";
import { cleanUp, emptyFolder, serve } from "../cli/support.ts";
import { libsqlEffects } from "./support.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

cleanUp();

/** Travel-expense declarations of a university, as its workflow system recorded them. */
const DATA = join(import.meta.dir, "../../../shared/data/domestic-declarations.ndjson.gz");
const EVENTS = 55_628;
const SUBJECTS = 10_357;

const effects = libsqlEffects();
afterAll(() => effects.dispose());

test.skipIf(!existsSync(DATA))(
  "a consumer of 10,357 subjects is built from nothing, and compared by a dozen requests",
  async () => {
    const server = await serve(emptyFolder(), ["--no-access-log"]);
    await server.kilde(["import", DATA, "--json"]);
    await effects.read();
    let requests: string[] = [];
    const consumer = createConsumer({
      url: server.url,
      feed: eventLog(),
      name: "real",
      store: effects.store,
      handle: (event, tx) => effects.record(tx, event.subject, String(event.version)),
      client: {
        fetch: (url, init) => {
          requests.push(url);
          return fetch(url, init);
        },
      },
    });
    consumer.start();
    await eventually(() => consumer.status().position === EVENTS);
    expect(consumer.status().counts).toMatchObject({ handled: EVENTS, duplicates: 0, gaps: 0, failures: 0 });
    const built = await effects.read();
    expect(Object.keys(built)).toHaveLength(SUBJECTS);
    for (const entries of Object.values(built)) {
      expect(entries.join()).toBe(entries.map((_, index) => index + 1).join());
    }
    await consumer.stop();

    requests = [];
    expect(await consumer.reconstitute({ all: true, requestsPerSecond: 10_000 })).toMatchObject({
      checked: SUBJECTS,
      healedSubjects: 0,
      requests: 12,
    });
    // The head, and eleven pages of a thousand subjects.
    expect(requests).toHaveLength(12);
    requests = [];
    expect(await consumer.reconstitute()).toMatchObject({ checked: 0 });
    expect(requests).toHaveLength(1);
    await server.stop();
  },
  120_000,
);
