import { expect, test } from "bun:test";

import { jsonPost } from "../support/app.ts";
import { withThreadedApp } from "../support/threaded-app.ts";

const FAILING = new URL("../support/failing-thread.ts", import.meta.url);

test("when the thread that writes has failed, appends are refused at once, and reads go on", () =>
  withThreadedApp(async ({ app, failures }) => {
    const append = (stream: string) =>
      app.fetch(`/streams/${stream}`, jsonPost({ events: [{ type: "Counted" }] }));

    // One is under way, the other brings the thread down.
    const under = append("a");
    await Bun.sleep(50);
    const answers = await Promise.all([under, append("b"), append("c")]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(failures).toHaveLength(1);
    expect(failures[0]?.message).toContain("out of memory");

    const later = await append("d");
    expect(later.status).toBe(503);
    expect(await later.json()).toMatchObject({ type: expect.stringContaining("storage-unavailable") });
    expect((await app.fetch("/ready")).status).toBe(503);
    expect(await app.get("/events")).toEqual([]);
  }, FAILING));
