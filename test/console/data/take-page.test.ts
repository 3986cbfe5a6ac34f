import { expect, test } from "bun:test";

import { takePage } from "../../../src/console/data/take-page.ts";

let hasEnded = false;
async function* numbers(count: number) {
  try {
    for (let number = 1; number <= count; number += 1) yield number;
  } finally {
    hasEnded = true;
  }
}

test("page: it has at most its size, and ends a longer list", async () => {
  hasEnded = false;
  expect(await takePage(numbers(Infinity), 2)).toEqual({ entries: [1, 2], hasMore: true });
  expect(hasEnded).toBe(true);
});

test("page: a list of exactly its size has no more", async () => {
  expect(await takePage(numbers(2), 2)).toEqual({ entries: [1, 2], hasMore: false });
  expect(await takePage(numbers(0), 2)).toEqual({ entries: [], hasMore: false });
});
