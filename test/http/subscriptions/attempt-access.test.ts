import { expect } from "bun:test";

import type { DeliveryAttempts } from "../../../src/client/index.ts";
import { createTestKey } from "../../support/keys.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";
import { app, create, database, openAppForEach, reopen } from "./subscribing.ts";

runsOn(["memory", "sqld"]);
openAppForEach();

testInProcess(
  "a sender sees attempts and contents of the subjects that it may read, and no others",
  async () => {
    const { subscription: id } = await create({ mode: "batch", keepAttempts: 9, subjectPrefix: "user-1" });
    const insert = (name: string | null, prefix: string, body: string) => ({
      sql: `insert into kept_attempts (subscription, failed, subjects, ended, duration, webhook, name, positions, prefix,
      url, headers, body, answer) values (?1, 0, '[]', 1, 1, 'w', ?2, '[1]', ?3, 'https://a.test/', '{}', ?4, 'ok')`,
      args: [id, name, prefix, body],
    });
    await database.write([
      insert("user-0", "", "before it was narrowed"),
      insert(null, "", "of all subjects"),
      insert(null, "user-1", "of its subjects"),
      insert("user-1", "user-1", "of its subject"),
    ]);
    const bodiesFor = async (grants: readonly string[]) => {
      const key = await createTestKey(app, grants);
      const { attempts } = await key.get<DeliveryAttempts>(`/subscriptions/${id}/attempts`);
      return attempts.map(({ request, answer, positions }) => [request?.body, answer, positions.length]);
    };
    const own = [
      ["of its subject", "ok", 1],
      ["of its subjects", "ok", 1],
    ];
    expect(await bodiesFor(["admin"])).toEqual([
      ...own,
      ["of all subjects", "ok", 1],
      ["before it was narrowed", "ok", 1],
    ]);
    expect(await bodiesFor(["manage:/subscriptions", "read:/streams/user-1*"])).toEqual([
      ...own,
      [null, null, 0],
    ]);
  },
);

testInProcess("a page that is cut at its bytes leads to the attempts that it has no room for", async () => {
  await reopen({ limits: { pageBytes: 10_000 } });
  const { subscription: id } = await create({ keepAttempts: 9 });
  await database.write(
    Array.from({ length: 5 }, (_, n) => ({
      sql: `insert into kept_attempts (id, subscription, failed, subjects, ended, duration, webhook, name, positions, prefix,
        url, headers, body, answer) values (?2, ?1, 0, '[]', 1, 1, 'w', 'user-1', '[1]', '', 'https://a.test/', '{}', ?3, '')`,
      args: [id, n + 1, "x".repeat(4_000)],
    })),
  );
  const seen: (number | null)[] = [];
  for (let before = ""; ;) {
    const { attempts, next } = await app.get<DeliveryAttempts>(
      `/subscriptions/${id}/attempts?limit=4${before}`,
    );
    seen.push(...attempts.map((attempt) => attempt.id));
    if (next === null) break;
    before = `&before=${next}`;
  }
  expect(seen).toEqual([5, 4, 3, 2, 1]);
});
