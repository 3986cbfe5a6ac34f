import { expect, test } from "bun:test";

import { consumerProgress, subscriptionProgress } from "../../../src/console/subject/reader-progress.ts";

/** Versions 4 to 6 of a subject, at positions 10, 20 and 30 of its log. */
const EVENTS = [
  { version: 6, position: 30 },
  { version: 5, position: 20 },
  { version: 4, position: 10 },
];

const consumer = { committed: null, sent: null, blocked: 0, failure: null };

test("progress: a consumer has the versions up to its committed position, or else those that were sent to it", () => {
  const progress = (committed: number | null, sent: number | null) =>
    consumerProgress({ ...consumer, committed, sent }, "user-1", EVENTS);
  expect(progress(30, 30)).toEqual({ kind: "complete", version: 6 });
  expect(progress(29, 30)).toEqual({ kind: "behind", version: 5, latest: 6 });
  expect(progress(null, 10)).toEqual({ kind: "behind", version: 4, latest: 6 });
  expect(progress(9, 30)).toEqual({ kind: "behind", version: null, latest: 6 });
});

test("progress: a subject without events leaves nothing to read", () => {
  expect(consumerProgress({ ...consumer, committed: 5 }, "user-1", [])).toEqual({ kind: "nothing" });
});

test("progress: a consumer that reports the subject as blocked is not complete, wherever its cursor is", () => {
  const failure = {
    subject: "user-1",
    version: 5,
    type: "UserMoved",
    message: "no such city",
    attempts: 3,
    since: "2026-01-01T00:00:00.000Z",
  };
  const info = { ...consumer, committed: 40, blocked: 1, failure };
  const blocked = { kind: "blocked", version: 5, latest: 6, message: "no such city" } as const;
  expect(consumerProgress(info, "user-1", EVENTS)).toEqual(blocked);
  expect(consumerProgress(info, "user-2", EVENTS)).toEqual({ kind: "complete", version: 6 });
});

test("progress: a consumer with blocked subjects that it does not name may lack any of a complete one", () => {
  const failure = {
    subject: "user-1",
    version: 5,
    type: null,
    message: "no such city",
    attempts: 1,
    since: "2026-01-01T00:00:00.000Z",
  };
  const info = { ...consumer, committed: 40, blocked: 3, failure };
  expect(consumerProgress(info, "user-2", EVENTS)).toEqual({ kind: "uncertain", version: 6, others: 2 });
  expect(consumerProgress({ ...info, failure: null }, "user-2", EVENTS)).toMatchObject({ others: 3 });
  expect(consumerProgress({ ...info, committed: 20 }, "user-2", EVENTS)).toMatchObject({ kind: "behind" });
});

test("progress: a subscription's blocked subject waits at the version that its receiver refuses", () => {
  const blocked = { position: 20, error: "status 500" };
  expect(subscriptionProgress({ cursor: 40 }, blocked, EVENTS)).toEqual({
    kind: "blocked",
    version: 5,
    latest: 6,
    message: "status 500",
  });
  expect(subscriptionProgress({ cursor: 40 }, null, EVENTS)).toEqual({ kind: "complete", version: 6 });
});
