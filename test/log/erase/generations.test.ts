import { expect } from "bun:test";

import { EVENT_LOG_ADDRESS } from "../../../src/log/keys.ts";
import { raiseVersions, readGenerations } from "../../../src/log/erase/generations.ts";
import { openApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { testInProcess } from "../../support/tested-on.ts";

testInProcess(
  "an erasure and a truncation raise the generation of the ranges that they remove from",
  async () => {
    const database = await newDatabase();
    const app = await openApp({ database });
    const events = (count: number) => Array.from({ length: count }, (_, n) => ({ type: "A", data: n }));
    // Positions 1 to 1,000 and 3,501 to 4,000 are of one stream.
    await app.append("one", ...events(1_000));
    await app.append("two", ...events(2_500));
    await app.append("one", ...events(500));
    const ranges = [
      { from: 1, through: 1_000 },
      { from: 1_024, through: 2_000 },
      { from: 3_500, through: 4_000 },
      { from: 1, through: 10_000 },
    ];
    const read = () => readGenerations(database, EVENT_LOG_ADDRESS, ranges);
    expect(await read()).toEqual({ removals: 0, generations: [0, 0, 0, 0] });
    expect((await app.fetch("/streams/one?before=11", { method: "DELETE" })).status).toBe(200);
    expect(await read()).toEqual({ removals: 1, generations: [1, 0, 0, 1] });
    expect((await app.fetch("/streams/one?before=5", { method: "DELETE" })).status).toBe(200);
    expect((await read()).generations).toEqual([1, 0, 0, 1]);
    expect((await app.fetch("/streams/one?reason=asked", { method: "DELETE" })).status).toBe(200);
    expect((await read()).generations).toEqual([2, 0, 1, 3]);
    // Positions 1,001 to 1,500.
    const two = await app.store.reader.find("two");
    await app.store.writer.write([raiseVersions(EVENT_LOG_ADDRESS, [[two?.id ?? 0, 1, 500]])]);
    expect((await read()).generations).toEqual([3, 1, 1, 5]);
    await app.close();
  },
);
