import { expect, test } from "bun:test";

import { readDraft } from "../../../src/console/streams/new-event.ts";

const draft = { type: "UserMoved", data: "", metadata: "" };

test("append: empty texts make an event without data and metadata", () => {
  expect(readDraft({ ...draft, type: " UserMoved " })).toEqual({ event: { type: "UserMoved" } });
  expect(readDraft({ type: "UserMoved", data: "null", metadata: '{"causationId":"7"}' })).toEqual({
    event: { type: "UserMoved", data: null, metadata: { causationId: "7" } },
  });
});

test.each([
  [{ type: "  " }, "needs a type"],
  [{ data: "{city: 1}" }, "The data is not JSON"],
  [{ metadata: "[" }, "The metadata is not JSON"],
  [{ metadata: "[]" }, "must be a JSON object"],
])("append: %j has a fault", (change, fault) => {
  expect(readDraft({ ...draft, ...change })).toEqual({ fault: expect.stringContaining(fault) });
});

test.each(["12345678901234567890", "9007199254740993", "0.12345678901234567890", "1e400"])(
  "append: the number %s is not changed in silence",
  (number) => {
    const data = `{"a":"id \\"12345678901234567890\\"","b":${number}}`;
    expect(readDraft({ ...draft, data })).toEqual({ fault: expect.stringContaining(number) });
  },
);

test("append: numbers that stay the same are accepted, in any form", () => {
  const data = '{"a":"12345678901234567890","b":[1.50,-0,1e3,9007199254740991,0.000001]}';
  expect(readDraft({ ...draft, data })).toEqual({ event: { type: "UserMoved", data: JSON.parse(data) } });
});
