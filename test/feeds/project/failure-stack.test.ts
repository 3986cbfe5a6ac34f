import { expect, test } from "bun:test";

import { z } from "zod";

import { compileFeed } from "../../../src/feeds/define/compile.ts";
import type { Database } from "../../../src/storage/database.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import type { TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";
import { amount, release } from "../contract/releases.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened), { examined: true });

function brokenHandler(): never {
  throw new RangeError("the name\nof Ida");
}

test("failure: it keeps where a handler threw, without the message that quotes its event", async () => {
  const broken = compileFeed(
    release(amount, { name: "broken", events: { Bad: z.any() }, publish: { Bad: brokenHandler } }),
  );
  const refusing = sketch({ name: "refusing" });
  await app.append("s-1", { type: "Bad" });
  const { get, drain, feeds } = await openProjection({ database, writer: app.store.writer }, [
    broken,
    refusing,
  ]);
  await drain();
  const stack = (await feeds.state(get(broken.path)))?.failure?.stack ?? [];
  expect(stack[0]).toMatch(/brokenHandler.*failure-stack\.test\.ts:\d+/);
  expect(stack.join("\n")).not.toContain("Ida");
  expect((await feeds.state(get(refusing.path)))?.failure?.stack).toEqual([]);
});
