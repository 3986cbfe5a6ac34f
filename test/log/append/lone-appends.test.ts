import { expect, test } from "bun:test";

import Connection from "libsql";

import { jsonPost } from "../../support/app.ts";
import { withThreadedApp } from "../../support/threaded-app.ts";

/** More than it takes for a client to be taken for the only one. */
const ENOUGH = 30;

test("an append that comes alone does not hold up the rest while another process writes the file", () =>
  withThreadedApp(async ({ app, path, failures }) => {
    for (let n = 0; n < ENOUGH; n += 1) {
      await app.append("a", { type: "Counted" });
      await Bun.sleep(1);
    }

    const other = new Connection(path);
    other.exec("begin immediate");
    const append = app.fetch("/streams/a", jsonPost({ events: [{ type: "Counted" }] }));
    await Bun.sleep(20);
    expect(await app.get("/events?limit=1000")).toHaveLength(ENOUGH);
    other.exec("rollback");
    other.close();
    expect((await append).status).toBe(201);
    expect(await app.get("/events?limit=1000")).toHaveLength(ENOUGH + 1);
    expect(failures).toEqual([]);
  }));
