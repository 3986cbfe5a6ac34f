import { expect, test } from "bun:test";

import type { Statement } from "../../../src/storage/database.ts";
import { createInlineWriter } from "../../../src/storage/writer/inline-writer.ts";

const WRITE: readonly Statement[] = [{ sql: "insert", args: [1, "x".repeat(100)] }];
const LARGE: readonly Statement[] = [{ sql: "insert", args: ["x".repeat(100_000)] }];

/** An inline writer between two databases that only record which of them was used. */
function twoWays() {
  const state = { now: 0, tookMs: 0, isWriting: false, error: null as Error | null, open: 0 };
  const { write, close } = createInlineWriter({
    open() {
      state.open += 1;
      const writeHere = () => {
        state.now += state.tookMs;
        if (state.error !== null) throw state.error;
        return [[["here"]]];
      };
      const closeOne = () => {
        state.open -= 1;
      };
      return { write: writeHere, release: () => {}, close: closeOne };
    },
    write: () => Promise.resolve([[["thread"]]]),
    isWriting: () => state.isWriting,
    now: () => state.now,
  });
  const wayOf = async (statements: readonly Statement[]) => (await write(statements))[0]?.[0]?.[0];
  const waysOf = async (count: number) => {
    const ways: unknown[] = [];
    while (ways.length < count) ways.push(await wayOf(WRITE));
    return ways;
  };
  return { state, close, wayOf, waysOf };
}

test("a small write runs inline, and a large one on the thread", async () => {
  const { wayOf } = twoWays();
  expect(await wayOf(WRITE)).toBe("here");
  expect(await wayOf(LARGE)).toBe("thread");
  expect(await wayOf(WRITE)).toBe("here");
});

test("while the thread writes, it gets every write", async () => {
  const { state, wayOf } = twoWays();
  state.isWriting = true;
  expect(await wayOf(WRITE)).toBe("thread");
  expect(state.open).toBe(0);
  state.isWriting = false;
  expect(await wayOf(WRITE)).toBe("here");
});

test("a write that another process blocks goes to the thread, and other failures are reported", async () => {
  const { state, wayOf } = twoWays();
  state.error = Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" });
  expect(await wayOf(WRITE)).toBe("thread");
  state.error = Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
  await expect(wayOf(WRITE)).rejects.toThrow("disk is full");
});

test("the thread gets a share of many small writes, since it checkpoints the write-ahead log", async () => {
  const { waysOf } = twoWays();
  const ways = await waysOf(1_000);
  expect(ways.filter((way) => way === "thread").length).toBeGreaterThan(10);
  expect(ways.filter((way) => way === "here").length).toBeGreaterThan(900);
});

test("on a slow disk the thread writes, and inline writes are tried again after a while", async () => {
  const { state, waysOf } = twoWays();
  state.tookMs = 20;
  expect(await waysOf(6)).toEqual(["here", "here", "thread", "thread", "thread", "thread"]);
  state.now += 1_000;
  state.tookMs = 0;
  expect(await waysOf(3)).toEqual(["here", "here", "here"]);
});

test("one slow write among quick ones changes nothing", async () => {
  const { state, waysOf } = twoWays();
  for (const tookMs of [0, 20, 0, 20, 0]) {
    state.tookMs = tookMs;
    expect(await waysOf(1)).toEqual(["here"]);
  }
});

test("closing the inline writer closes its connection", async () => {
  const { state, close, wayOf } = twoWays();
  await wayOf(WRITE);
  expect(state.open).toBe(1);
  close();
  expect(state.open).toBe(0);
});
