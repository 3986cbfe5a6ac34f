import { expect, test } from "bun:test";

import { cleanUp, emptyFolder, serve } from "../cli/support.ts";
import { jsonPost } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { runsOn } from "../support/tested-on.ts";
import { append, call, entries, environment, receiverForEachTest, subscribe } from "./deliveries.ts";

runsOn(["file", "sqld"]);

cleanUp();

const receiver = receiverForEachTest();

const principal = null;
const source = "/events";

test("records subjects that are blocked, healed and skipped", async () => {
  const server = await serve(emptyFolder(), [], { environment });
  const path = await subscribe(server, receiver.url);
  receiver.statusOf = ({ subject }) => (subject.startsWith("bad") ? 400 : 204);
  for (const stream of ["bad-1", "good-1", "bad-2", "good-2"]) await append(server, stream);
  await eventually(async () => (await entries(server, "?type=kilde.subject.blocked")).length === 2);
  await call(server, `${path}/blocked/bad-2/skip`, jsonPost({}));
  receiver.statusOf = () => 204;
  await call(server, `${path}/blocked/bad-1/retry`, jsonPost({}));
  await eventually(async () => (await entries(server, "?type=kilde.subject.healed")).length === 1);
  const found = await entries(server);
  expect(found.filter(([subject]) => subject !== path)).toEqual([]);
  const blocked = found.filter(([, type]) => type === "kilde.subject.blocked").map(([, , data]) => data);
  expect(blocked).toHaveLength(2);
  for (const subject of ["bad-1", "bad-2"])
    expect(blocked).toContainEqual({ principal, source, subject, count: 1 });
  expect(found.slice(-2).map(([, type, data]) => [type, data])).toEqual([
    ["kilde.subject.skipped", { principal, source, subject: "bad-2", version: 1 }],
    ["kilde.subject.healed", { principal, source, subject: "bad-1", count: 1 }],
  ]);
  await server.stop();
}, 60_000);

test("a webhook delivers the log of administration, without the entries about itself", async () => {
  const server = await serve(emptyFolder(), [], { environment });
  const own = await subscribe(server, receiver.url, "/operations");
  receiver.statusOf = ({ subject }) => (subject === "/streams/bad" ? 400 : 204);
  for (const stream of ["bad", "good"]) {
    await append(server, stream);
    await call(server, `/streams/${stream}?reason=asked`, { method: "DELETE" });
  }
  await eventually(async () => (await entries(server, `?subjectPrefix=${own}`)).length === 2);
  await call(server, own, { ...jsonPost({ concurrency: 2 }), method: "PATCH" });
  await call(server, `/streams/good-2`, jsonPost({ events: [{ type: "A" }] }));
  await call(server, `/streams/good-2?reason=asked`, { method: "DELETE" });
  await eventually(() => receiver.taken.some(({ subject }) => subject === "/streams/good-2"));
  receiver.statusOf = () => 204;
  await call(server, `${own}/blocked/%2Fstreams%2Fbad/retry`, jsonPost({}));
  await eventually(() => receiver.taken.some(({ subject }) => subject === "/streams/bad"));
  await eventually(async () => (await entries(server, "?type=kilde.subject.healed")).length === 1);
  const rewound = await call<{ subjects: number }>(
    server,
    `${own}/rewind`,
    jsonPost({ after: 0, subjects: [own, "/streams/good"] }),
  );
  expect(rewound.subjects).toBe(1);
  await eventually(() => receiver.taken.filter(({ subject }) => subject === "/streams/good").length === 2);
  expect(receiver.taken.every(({ source: from }) => from === "/operations")).toBe(true);
  expect(receiver.taken.map(({ subject }) => subject)).not.toContain(own);
  await server.stop();
}, 60_000);
