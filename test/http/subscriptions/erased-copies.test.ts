import { expect, test } from "bun:test";
import { join } from "node:path";

import { emptyFolder } from "../../cli/support.ts";
import { filesWith } from "../../support/byte-search.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import { call, cleanUpDeliveries, post, startReceiver, startServer, subscribe } from "./delivering.ts";

runsOn(["file"]);
cleanUpDeliveries();

test("an erasure leaves no copy in kept attempts, answers and correlations, in any file", async () => {
  const cwd = emptyFolder();
  const folder = join(cwd, "data");
  const server = await startServer(cwd, ["--correlations"]);
  const mark = `mark-${crypto.randomUUID()}`;
  const hooks = [startReceiver(), startReceiver()];
  const paths: string[] = [];
  for (const [index, hook] of hooks.entries()) {
    hook.answer = (events) => new Response(events.map(({ data }) => JSON.stringify(data)).join(" "));
    const mode = index === 0 ? "single" : "batch";
    paths.push((await subscribe(server, hook, { keepAttempts: 200, mode })).path);
  }
  for (let n = 0; n < 40; n += 1) {
    const event = (id: string) => ({ type: "A", data: { id, n }, metadata: { correlationId: `${id}-${n}` } });
    await post(server, "/transactions", {
      appends: [
        { stream: "ida", events: [event(mark)] },
        { stream: `other-${n % 7}`, events: [event("x".repeat(10 + 20 * n))] },
      ],
    });
  }
  await eventually(() => hooks.every((hook) => hook.taken().length === 80));
  const isKept = async (path: string) =>
    JSON.stringify(await call<object>(server, `${path}/attempts?limit=200`)).includes(mark);
  for (const path of paths) await eventually(() => isKept(path));
  const correlated = `/events/correlated?id=${mark}-39`;
  await eventually(async () => (await call<{ events: object[] }>(server, correlated)).events.length === 1);
  expect(filesWith(folder, [mark])).not.toEqual([]);
  await call(server, "/streams/ida?reason=asked", { method: "DELETE" });
  await eventually(() => filesWith(folder, [mark]).length === 0, { withinMs: 60_000, pollMs: 100 });
  expect(
    (await call<{ events: object[] }>(server, `/events/correlated?id=${"x".repeat(790)}-39`)).events,
  ).toHaveLength(1);
});
