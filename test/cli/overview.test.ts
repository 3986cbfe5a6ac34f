import { expect, test } from "bun:test";

import type { StoreOverview } from "../../src/client/store-types.ts";
import { jsonPost } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { cleanUp, emptyFolder, jsonLines, serve } from "./support.ts";

runsOn(["file"]);
cleanUp();

test("overview shows counts, and each problem with the command that shows or repairs it", async () => {
  const server = await serve(emptyFolder(), ["--environment", "staging"], {
    environment: { KILDE_SECRET_KEYS: `a:${"A".repeat(43)}=` },
  });
  const calm = await server.kilde(["overview"]);
  expect(calm.stdout).toMatch(
    /^Kilde \S+ \(staging\)\nevents +0 events.*\nfeeds +none\nconsumers +none\nsubscriptions +none\n\nNo problems\.\n$/,
  );
  const body = { source: "/events", url: "https://hooks.example.org/kilde" };
  const made = await fetch(`${server.url}/subscriptions`, jsonPost(body));
  const { subscription: id } = (await made.json()) as { subscription: string };
  expect((await server.kilde(["webhooks", "pause", id, "--reason", "moving"])).exitCode).toBe(0);
  // On a busy machine an overview is used for some seconds.
  let stdout = "";
  await eventually(async () => {
    ({ stdout } = await server.kilde(["overview"]));
    return stdout.includes("subscriptions  1 paused");
  });
  expect(stdout).toContain("The delivery of /events is paused: moving\n  $ kilde webhooks ");
  const [overview] = jsonLines<StoreOverview>((await server.kilde(["overview", "--json"])).stdout);
  expect(overview).toMatchObject({ environment: "staging", problemCount: 1 });
});

test("consumers lag prints the samples of one consumer, and consumers still lists all of them", async () => {
  const server = await serve(emptyFolder());
  await fetch(`${server.url}/streams/s`, jsonPost({ events: [{ type: "A" }] }));
  await fetch(`${server.url}/events/consumers/cards`, { ...jsonPost({ position: 1 }), method: "PUT" });
  expect((await server.kilde(["consumers", "lag", "cards"])).stdout).toMatch(/^TIME +EVENTS +SECONDS\n/);
  expect((await server.kilde(["consumers", "--state", "keeps-up"])).stdout).toContain("cards");
  const unknown = await server.kilde(["consumers", "lag", "none"]);
  expect(unknown.exitCode).toBe(1);
  expect(unknown.stderr).toContain('no consumer "none"');
});
