import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { parseKeys } from "../../../src/webhooks/signing/seal-keys.ts";
import { createSeal, SealError } from "../../../src/webhooks/signing/seal.ts";

const key = (byte: number, bytes = 32) => Buffer.alloc(bytes, byte).toString("base64");
const K1 = `k1:${key(1)}`;
const K2 = `k2:${key(2)}`;
const sealOf = (text: string) => createSeal(parseKeys(text));

async function codeOf(opening: Promise<string>): Promise<string> {
  return opening.then(
    () => "opened",
    (error: unknown) => (error instanceof SealError ? error.code : String(error)),
  );
}

describe("sealing", () => {
  test("opens any text again, in its own context only", async () => {
    const { seal, open } = sealOf(K1);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme" }),
        fc.string(),
        fc.string(),
        async (text, context, other) => {
          const sealed = await seal(text, context);
          expect(await open(sealed, context)).toBe(text);
          if (other !== context) expect(await codeOf(open(sealed, other))).toBe("not-authentic");
        },
      ),
    );
  });

  test("detects a change of any character", async () => {
    const { seal, open } = sealOf(K1);
    const sealed = await seal("whsec_secret", "sub_1");
    expect(sealed).toMatch(/^k1\.[A-Za-z0-9+/]{16}\.[A-Za-z0-9+/]+=*$/);
    expect(await seal("whsec_secret", "sub_1")).not.toBe(sealed);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = sealed.slice(0, index) + (sealed[index] === "A" ? "B" : "A") + sealed.slice(index + 1);
      expect(["malformed", "unknown-key", "not-authentic"]).toContain(await codeOf(open(changed, "sub_1")));
    }
  });

  test("rotates keys: the first seals, all open", async () => {
    const old = await sealOf(K1).seal("secret", "sub_1");
    const rotated = sealOf(`${K2}, ${K1}`);
    expect(await rotated.open(old, "sub_1")).toBe("secret");
    expect(rotated.isOutdated(old)).toBe(true);
    const renewed = await rotated.seal("secret", "sub_1");
    expect(rotated.isOutdated(renewed)).toBe(false);
    expect(await sealOf(K2).open(renewed, "sub_1")).toBe("secret");
    expect(await codeOf(sealOf(K2).open(old, "sub_1"))).toBe("unknown-key");
    expect(await codeOf(sealOf(`k1:${key(3)}`).open(old, "sub_1"))).toBe("not-authentic");
  });

  test.each([
    "",
    "k1",
    "k1.a.b",
    "k1..",
    ".AAAAAAAAAAAAAAAA.AAAA",
    "k1.AAAAAAAAAAAAAAAA.AAAA.x",
    "k1.AAAA.AAAA",
  ])("rejects a text that is not sealed: %j", async (text) => {
    expect(await codeOf(sealOf(K1).open(text, ""))).toBe("malformed");
  });
});

describe("keys", () => {
  test.each([
    ["", /Key 1 must be <id>:<base64>/],
    [key(1), /Key 1 must be/],
    [`${K1},`, /Key 2 must be/],
    [`k.1:${key(1)}`, /Key 1 must be/],
    [`${"k".repeat(33)}:${key(1)}`, /Key 1 must be/],
    ["k1:", /the key k1 must be 32 bytes in base64, and is 0/i],
    [`k1:${key(1, 16)}`, /and is 16/],
    [`k1:${key(1, 33)}`, /and is 33/],
    [`k1:${key(1).slice(0, -1)}`, /must be base64/],
    [`${K1},${K2},k1:${key(9)}`, /two keys k1/],
  ])("are rejected when they are invalid: %j", (text, message) => {
    expect(() => parseKeys(text)).toThrow(message);
  });

  test("a fault is reported without the key", () => {
    expect(() => parseKeys(`k1:${key(1, 33)}`)).not.toThrow(key(1, 33).slice(0, 10));
    expect(() => parseKeys(key(5))).not.toThrow(key(5).slice(0, 10));
    expect(() => createSeal([])).toThrow("one key at least");
  });
});
