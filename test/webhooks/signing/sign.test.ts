import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";

import { generateSecret, parseSecret, publicKeyOf } from "../../../src/webhooks/signing/secret.ts";
import { createSigner } from "../../../src/webhooks/signing/sign.ts";
import { verifySignature } from "../../../src/webhooks/signing/verify.ts";
import { PRIVATE, PUBLIC, SECRET } from "../receive/support.ts";

const VECTOR = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
} as const;
const V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

function base64(bytes: number): string {
  return Buffer.alloc(bytes, 7).toString("base64");
}

describe("signing", () => {
  test("reproduces the vectors of Standard Webhooks", () => {
    expect(createSigner([parseSecret(SECRET)])(VECTOR)).toBe(V1);
    expect(createSigner([parseSecret(PRIVATE)])(VECTOR)).toBe(V1A);
    expect(publicKeyOf(parseSecret(PRIVATE))).toBe(PUBLIC);
    expect(publicKeyOf(parseSecret(SECRET))).toBeNull();
  });

  test("makes one entry per secret, in their order", () => {
    expect(createSigner([PRIVATE, SECRET].map(parseSecret))(VECTOR)).toBe(`${V1A} ${V1}`);
    expect(() => createSigner([])).toThrow("one secret at least");
    expect(() => createSigner([parseSecret(SECRET)])({ ...VECTOR, id: "a.b" })).toThrow("a dot");
  });

  test("is verified by the public package", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
        fc.json(),
        fc.uint8Array({ minLength: 24, maxLength: 64 }),
        (id, body, key) => {
          const secret = `whsec_${Buffer.from(key).toString("base64")}`;
          const timestamp = Math.floor(Date.now() / 1_000);
          const headers = {
            "webhook-id": id,
            "webhook-timestamp": String(timestamp),
            "webhook-signature": createSigner([PRIVATE, secret].map(parseSecret))({ id, timestamp, body }),
          };
          expect(() => new Webhook(secret).verify(body, headers, { jsonParse: false })).not.toThrow();
          expect(() => new Webhook(secret).verify(`${body} `, headers, { jsonParse: false })).toThrow();
        },
      ),
    );
  });
});

describe("secrets", () => {
  test("generated secrets are all different, and can be parsed", async () => {
    const secrets = Array.from({ length: 20 }, () => [
      generateSecret("symmetric"),
      generateSecret("ed25519"),
    ]).flat();
    expect(new Set(secrets).size).toBe(secrets.length);
    for (const secret of secrets) {
      const signatures = createSigner([parseSecret(secret)])(VECTOR);
      const headers = { id: VECTOR.id, timestamp: String(VECTOR.timestamp), signatures };
      const body = Buffer.from(VECTOR.body);
      await verifySignature([secret], headers, body);
      const publicKey = publicKeyOf(parseSecret(secret));
      expect(publicKey === null).toBe(secret.startsWith("whsec_"));
      if (publicKey !== null) await verifySignature([publicKey], headers, body);
    }
  });

  test.each([24, 32, 64])("%i bytes are a shared secret", (bytes) => {
    expect(parseSecret(`whsec_${base64(bytes)}`)).toMatchObject({ kind: "symmetric" });
  });

  test.each([
    ["", /begins with whsec_ or whsk_/],
    [SECRET.slice(6), /begins with/],
    [PUBLIC, /begins with/],
    ["WHSEC_" + SECRET.slice(6), /begins with/],
    [`whsec_${base64(23)}`, /24 to 64 bytes in base64, and this one is 23/],
    [`whsec_${base64(65)}`, /this one is 65/],
    [`whsec_${base64(32).replace("=", "")}`, /must be base64/],
    [`whsec_ ${base64(32)}`, /must be base64/],
    [`whsec_${base64(32)}\n`, /must be base64/],
    [`whsec_${"-_".repeat(20)}`, /must be base64/],
    [`whsk_${base64(32)}`, /is 64 bytes in base64, and this one is 32/],
    [`whsk_${base64(64)}`, /do not belong together/],
  ])("are rejected when they are invalid: %j", (text, message) => {
    expect(() => parseSecret(text)).toThrow(message);
  });

  test("a fault is reported without the secret", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^whse?[ck]_?[A-Za-z0-9+/]{16,100}$/), (text) => {
        try {
          parseSecret(text);
        } catch (error) {
          expect(String(error)).not.toContain(text.slice(-12));
        }
      }),
    );
  });
});
