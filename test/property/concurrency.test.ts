import { expect, test } from "bun:test";

import { file, jsonPost, memory, openApp } from "../support/app.ts";
import { checkConcurrency } from "../support/concurrency.ts";

test("concurrent appends through one store", async () => {
  await checkConcurrency(memory.open, 1, 40);
}, 60_000);

test("concurrent appends through three stores on one file", async () => {
  await checkConcurrency(file.open, 3, 25);
}, 60_000);

test("stores that contend for one stream all get through", async () => {
  const opened = await file.open();
  const apps = await Promise.all([1, 2, 3].map(() => openApp({ database: opened.database() })));
  await Promise.all(
    apps.flatMap((app) =>
      Array.from({ length: 4 }, async () => {
        for (let round = 0; round < 50; round += 1) await app.append("hot", { type: "T" });
      }),
    ),
  );
  expect(await apps[0]?.store.reader.head()).toBe(600);
  for (const app of apps) await app.close();
  await opened.dispose();
}, 60_000);

test("one idempotency key through several stores at once is used once", async () => {
  const opened = await file.open();
  const apps = await Promise.all([1, 2, 3].map(() => openApp({ database: opened.database() })));
  for (let round = 0; round < 20; round += 1) {
    const send = (app: (typeof apps)[number]) =>
      app.fetch(
        `/streams/s-${round}`,
        jsonPost({ events: [{ type: "T" }] }, { "idempotency-key": `k-${round}` }),
      );
    const responses = await Promise.all([...apps, ...apps].map(send));
    const answers = await Promise.all(responses.map((response) => response.json()));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  }
  expect(await apps[0]?.store.reader.head()).toBe(20);
  for (const app of apps) await app.close();
  await opened.dispose();
}, 60_000);
