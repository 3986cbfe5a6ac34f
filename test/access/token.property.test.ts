import { expect, test } from "bun:test";

import fc from "fast-check";

import { crc32Hex } from "../../src/access/crc32.ts";
import { isSameText, newToken, tokenId } from "../../src/access/token.ts";

const token = fc
  .infiniteStream(fc.integer({ min: 0, max: 255 }))
  .map((stream) => newToken((bytes) => bytes.map(() => stream.next().value ?? 0)));

test("a new token has its id, whatever its random bytes are", () => {
  fc.assert(
    fc.property(token, ({ id, token: text }) => {
      expect(text).toMatch(/^kilde_[a-z0-9]{12}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}$/);
      expect(tokenId(text)).toBe(id);
    }),
  );
});

test("a token with one changed character has no id", () => {
  const character = fc.string({ unit: "binary", minLength: 0, maxLength: 2 });
  fc.assert(
    fc.property(token, fc.nat({ max: 70 }), character, ({ token: text }, at, other) => {
      fc.pre(text.charAt(at) !== other);
      expect(tokenId(text.slice(0, at) + other + text.slice(at + 1))).toBeNull();
    }),
    { numRuns: 5_000 },
  );
});

test("a text with another form has no id, even if its checksum is right", () => {
  const body = fc.oneof(
    fc.string({ unit: "grapheme-ascii" }),
    fc.string({ unit: fc.constantFrom(...Array.from("kilde_ab0-")) }),
  );
  fc.assert(
    fc.property(body, (text) => {
      expect(tokenId(text)).toBeNull();
      const summed = `kilde_${text}`;
      if (summed.length !== 62) expect(tokenId(`${summed}_${crc32Hex(summed)}`)).toBeNull();
    }),
    { numRuns: 5_000 },
  );
});

test("new tokens differ, in id and in secret", () => {
  const tokens = Array.from({ length: 1_000 }, () => newToken());
  expect(new Set(tokens.map(({ id }) => id)).size).toBe(1_000);
  expect(new Set(tokens.map(({ token: text }) => text.slice(19, 62))).size).toBe(1_000);
});

test("the checksum is the CRC-32 of zlib", () => {
  expect(crc32Hex("")).toBe("00000000");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
      expect(crc32Hex(text)).toBe(Bun.hash.crc32(text).toString(16).padStart(8, "0"));
    }),
  );
});

test("texts are the same exactly if they are equal", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 });
  fc.assert(fc.property(text, text, (one, other) => expect(isSameText(one, other)).toBe(one === other)));
});
