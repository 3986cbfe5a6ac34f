import { expect, test } from "bun:test";

import { hasInexactNumber } from "../../../src/console/streams/inexact-number.ts";

test.each([
  ["9007199254740991", false],
  ["9007199254740993", true],
  ['{"a":[{"b":-9007199254740993}]}', true],
  ['{"a":1e400}', true],
  ['{"__proto__":{"id":12345678901234567890}}', true],
  ['{"a":["9007199254740993",null,0.5,true]}', false],
])("number: the text %s has one that JavaScript may change: %p", (text, isInexact) => {
  expect(hasInexactNumber(JSON.parse(text))).toBe(isInexact);
});
