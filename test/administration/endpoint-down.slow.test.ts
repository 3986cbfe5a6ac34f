import { expect, test } from "bun:test";

import { cleanUp, emptyFolder, serve } from "../cli/support.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { append, entries, environment, receiverForEachTest, subscribe } from "./deliveries.ts";

runsOn(["file", "sqld"]);

cleanUp();

const receiver = receiverForEachTest();

const principal = null;
const source = "/events";

test("records that an endpoint is down, recovers, and wants no more", async () => {
  const server = await serve(emptyFolder(), [], { environment });
  receiver.statusOf = () => 503;
  const path = await subscribe(server, receiver.url);
  for (let n = 0; n < 30; n += 1) await append(server, `s-${n}`);
  await eventually(async () => (await entries(server, "?type=kilde.subscription.down")).length === 1);
  receiver.statusOf = () => 204;
  await eventually(async () => (await entries(server, "?type=kilde.subscription.recovered")).length === 1, {
    withinMs: 60_000,
  });
  receiver.statusOf = () => 410;
  await append(server, "last");
  await eventually(async () => (await entries(server, "?type=kilde.subscription.paused")).length === 1);
  const kinds = (await entries(server)).filter(([, type]) => !type.startsWith("kilde.subject."));
  expect(kinds).toEqual([
    [path, "kilde.subscription.created", { principal, source }],
    [path, "kilde.subscription.down", { principal, reason: "status 503" }],
    [path, "kilde.subscription.recovered", { principal, from: "down" }],
    [path, "kilde.subscription.paused", { principal, reason: "gone" }],
  ]);
  await server.stop();
}, 120_000);
