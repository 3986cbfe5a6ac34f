import { expect, test } from "bun:test";

import { isEverything, rewindRange } from "../../../src/console/webhooks/rewind-range.ts";

const none = { after: "", upTo: "", subjects: "" };

test("rewind: empty fields are all events", () => {
  const range = rewindRange(none);
  expect(range).toEqual({});
  expect(isEverything(range ?? { after: 1 })).toBe(true);
});

test("rewind: any bound makes it a part, but for the beginning", () => {
  for (const fields of [{ after: "7" }, { upTo: "9" }, { subjects: "user-1" }])
    expect([fields, isEverything(rewindRange({ ...none, ...fields }) ?? {})]).toEqual([fields, false]);
  expect(isEverything(rewindRange({ ...none, after: "0" }) ?? { after: 1 })).toBe(true);
});

test("rewind: each line is a subject, with its spaces", () => {
  expect(rewindRange({ after: "1", upTo: "2", subjects: "a b\n\n c\n" })).toEqual({
    after: 1,
    upTo: 2,
    subjects: ["a b", " c"],
  });
});

test("rewind: a text that is no position states no range", () => {
  for (const after of ["-1", "1.5", "x", "1e99"])
    expect([after, rewindRange({ ...none, after })]).toEqual([after, null]);
});
