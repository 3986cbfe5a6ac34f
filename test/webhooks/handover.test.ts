import { expect, test } from "bun:test";

import { jsonText } from "../../src/core/json.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { addSubscription } from "../../src/webhooks/subscriptions/change.ts";
import { readSubscription } from "../../src/webhooks/subscriptions/record.ts";
import { deliver } from "../../src/webhooks/dispatch/run.ts";
import type { Database } from "../../src/storage/database.ts";
import { eventually } from "../support/eventually.ts";
import { openTestStore } from "../support/open-store.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { newDatabase } from "../support/new-database.ts";
import { runsOn } from "../support/tested-on.ts";
import { subscriptionRow } from "./subscription-row.ts";

runsOn(["memory", "sqld"]);

test("a process that takes over continues from the last write of the last holder, also when that was just before", async () => {
  const database = await newDatabase();
  const deps = { database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 20 };
  const store = await openTestStore(deps);
  const events = Array.from({ length: 5 }, () => ({
    type: "A",
    time: null,
    data: jsonText({}),
    extensions: null,
  }));
  const part = { subject: "s", expectedVersion: "any", erases: false, events } as const;
  await store.writer.append({ parts: [part], idempotency: null });
  const id = "sub_handover";
  await addSubscription(store.writer, subscriptionRow(id, { cursor: 5 }));
  // The last holder had delivered past the subject, which has a row of its own behind the cursor ...
  const lane = `insert into subscription_subjects (subscription, subject, next, attempts, due, ahead)
    select '${id}', id, 1, 0, 0, 0 from subjects where name = 's'`;
  // ... and its last write, before it releases the lease, moves the cursor back to the subject.
  const lastWrite = [
    `update subscriptions set cursor = 0 where id = '${id}'`,
    "delete from subscription_subjects",
  ];
  const run = (statements: readonly string[]) => database.write(statements.map((sql) => ({ sql, args: [] })));
  await run([lane]);
  let isWritten = false;
  const late: Database = {
    ...database,
    async write(statements) {
      if (!isWritten && statements.some(({ sql }) => sql.includes("insert into leases"))) {
        isWritten = true;
        await run(lastWrite);
      }
      return database.write(statements);
    },
  };
  const sent: string[] = [];
  const delivering = deliver({
    database: late,
    writer: {
      ...store.writer,
      write: async (statements) => ({
        outcome: "written",
        rows: await late.write(statements),
        durationMs: 0,
      }),
    },
    clock: systemClock,
    chance: Math.random,
    holder: "next",
    send(request) {
      sent.push((JSON.parse(request.body ?? "") as { id: string }).id);
      return Promise.resolve({ kind: "answered", status: 204, durationMs: 1, header: () => null });
    },
    secretsOf: () => Promise.resolve({ sign: () => "v1,simulated", headers: {} }),
    readerOf: () => store.reader,
    blockedSubjects: 2,
    mostRetryAfterMs: 1_000,
    onEvent: () => {},
  });
  const isThrough = async () => isWritten && (await readSubscription(database, id))?.cursor === 5;
  await eventually(isThrough);
  await delivering.close();
  expect(sent).toEqual(["1", "2", "3", "4", "5"]);
  database.close();
});
