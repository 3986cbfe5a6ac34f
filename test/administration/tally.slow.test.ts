import { expect, test } from "bun:test";

import { SUBJECT_ENTRIES } from "../../src/webhooks/dispatch/health-record.ts";
import { cleanUp, emptyFolder, serve } from "../cli/support.ts";
import { eventually } from "../support/eventually.ts";
import { append, call, entries, environment, receiverForEachTest, subscribe } from "./deliveries.ts";

cleanUp();

const receiver = receiverForEachTest();

test("counts changes of subjects above the limit of a minute, and records the count after it", async () => {
  const server = await serve(emptyFolder(), [], { environment });
  const path = await subscribe(server, receiver.url);
  const subjects = SUBJECT_ENTRIES + 50;
  // Some are accepted, so that the endpoint is not judged by the others.
  receiver.statusOf = ({ subject }) => (subject.startsWith("bad") ? 400 : 204);
  for (let n = 0; n < subjects; n += 1) {
    await append(server, `bad-${n}`);
    await append(server, `good-${n}`);
  }
  await eventually(async () => (await call<{ blocked: number }>(server, path)).blocked === subjects);
  expect(await entries(server, "?type=kilde.subject.blocked")).toHaveLength(SUBJECT_ENTRIES);
  await eventually(
    async () => (await entries(server, "?type=kilde.subject.blocked")).length > SUBJECT_ENTRIES,
    { withinMs: 90_000 },
  );
  const last = (await entries(server, "?type=kilde.subject.blocked")).at(-1);
  expect(last?.[2]).toEqual({ principal: null, source: "/events", subject: null, count: 50 });
  await server.stop();
}, 180_000);
