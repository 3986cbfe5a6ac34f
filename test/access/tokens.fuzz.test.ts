import { afterAll, beforeAll, expect, test } from "bun:test";

import fc from "fast-check";

import type { Access } from "../../src/access/access.ts";
import { crc32Hex } from "../../src/access/crc32.ts";
import type { Database } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { startIssuer, type TestIssuer, trusting } from "./issuer.ts";
import { created, openTestAccess } from "./opened.ts";

/** No text but the tokens themselves identifies a sender, and none fails. */

let issuer: TestIssuer;
let database: Database;
let access: Access;
let tokens: readonly string[];

beforeAll(async () => {
  issuer = await startIssuer();
  database = openDatabase({ url: ":memory:" });
  access = await openTestAccess({ database, issuers: trusting(issuer) });
  tokens = [(await created(access)).token, await issuer.sign({ claims: { exp: Date.now() } })];
});
afterAll(async () => {
  await access.close();
  database.close();
  await issuer.stop();
});

/** The last character of base64url has bits that encode nothing. */
const decoded = (text: string) =>
  text
    .split(".")
    .map((part) => Buffer.from(part, "base64url").toString("base64url"))
    .join(".");

const refused = async (text: string) => {
  if (tokens.includes(text) || (text.includes(".") && tokens.includes(decoded(text)))) return;
  expect(await access.authenticate(text)).toBeNull();
};

const RUNS = { numRuns: 20_000 };

test("random texts are refused", async () => {
  const base64 = fc.string({ unit: fc.constantFrom(...Array.from("abcXYZ019-_")), minLength: 1 });
  const json = fc.json({ maxDepth: 2 }).map((text) => Buffer.from(text).toString("base64url"));
  const part = fc.oneof(base64, json);
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.tuple(part, part, part).map((parts) => parts.join(".")),
    base64.map((body) => `kilde_${body}_${crc32Hex(`kilde_${body}`)}`),
  );
  await fc.assert(fc.asyncProperty(text, refused), RUNS);
});

test("changed tokens are refused, also with a checksum that is right again", async () => {
  const change = fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.string({ unit: "grapheme-ascii", maxLength: 3 }));
  const mutated = fc
    .tuple(fc.nat({ max: 1 }), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([which, changes]) => {
      let text = tokens[which] ?? "";
      for (const [place, removed, added] of changes) {
        const at = place % (text.length + 1);
        text = text.slice(0, at) + added + text.slice(at + removed);
      }
      return text;
    });
  await fc.assert(
    fc.asyncProperty(mutated, async (text) => {
      await refused(text);
      const body = text.slice(0, text.lastIndexOf("_"));
      await refused(`${body}_${crc32Hex(body)}`);
    }),
    RUNS,
  );
  for (const token of tokens) expect(await access.authenticate(token)).not.toBeNull();
});

test("tokens with any header and claims under a wrong signature are refused", async () => {
  const [, , signature = ""] = (tokens[1] ?? "").split(".");
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = fc.record(
    {
      alg: fc.oneof(fc.constantFrom("ES256", "none", "HS256", "RS256", "es256"), fc.jsonValue()),
      kid: fc.oneof(fc.constantFrom("first", "other"), fc.jsonValue()),
      crit: fc.jsonValue(),
      b64: fc.boolean(),
      jwk: fc.jsonValue(),
      typ: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const claims = fc.record(
    {
      iss: fc.oneof(fc.constant(null), fc.jsonValue()),
      aud: fc.jsonValue(),
      exp: fc.jsonValue(),
      sub: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const signed = fc.oneof(
    fc.constant(signature),
    fc.base64String({ minLength: 4 }).map((text) => Buffer.from(text).toString("base64url")),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(header, claims, signed, (head, { iss = null, ...others }, end) =>
      refused(`${encoded(head)}.${encoded({ ...others, iss: iss ?? issuer.url })}.${end}`),
    ),
    RUNS,
  );
});
