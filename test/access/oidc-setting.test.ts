import { expect, test } from "bun:test";

import { resolveSettings } from "../../src/config/resolve.ts";
import { unknownVariables } from "../../src/config/unknown-variables.ts";
import { workerSettings } from "../../src/runtime/worker/settings.ts";

const VALID = { issuer: "https://login.example", clientId: "kilde", grants: () => [] };

function resolved(oidc: unknown, environment: Readonly<Record<string, string>> = {}) {
  const file = { path: "kilde.config.ts", value: { auth: { oidc } } };
  return resolveSettings({ flags: {}, environment, file }).auth.oidc;
}

test("auth.oidc: the environment has the secret of the client, and wins over the file", () => {
  const environment = { KILDE_OIDC_CLIENT_SECRET: "s3cret" };
  expect(resolved(VALID)).toEqual(VALID);
  expect(resolved(VALID, environment)?.clientSecret).toBe("s3cret");
  expect(resolved({ ...VALID, clientSecret: "old" }, environment)?.clientSecret).toBe("s3cret");
  expect(resolved({ ...VALID, clientSecret: "old" }, { KILDE_OIDC_CLIENT_SECRET: " " })?.clientSecret).toBe(
    "old",
  );
  expect(resolved(undefined, environment)).toBeUndefined();
  expect(unknownVariables({ ...environment, KILDE_OIDC_CLIENT_SECRET_FILE: "secret" })).toEqual([]);
  const worker = { KILDE_DATABASE_URL: "https://db.example", KILDE_BEHIND_PROXY: "true", ...environment };
  expect(workerSettings({ auth: { oidc: VALID } }, worker).auth.oidc?.clientSecret).toBe("s3cret");
});

const FAULTS: readonly (readonly [value: unknown, fault: string])[] = [
  [[], "auth.oidc: must be an object: { issuer, clientId, grants }"],
  [{ ...VALID, audience: "x" }, "auth.oidc: has no member audience"],
  [{ ...VALID, issuer: "http://login.example" }, "auth.oidc.issuer: must be an https:// URL"],
  [{ ...VALID, clientId: "" }, "auth.oidc.clientId: must not be empty"],
  [{ ...VALID, clientSecret: 7 }, "auth.oidc.clientSecret: must be a text"],
  [{ ...VALID, scopes: ["a b"] }, "auth.oidc.scopes.0: must be a list of scopes"],
  [{ ...VALID, grants: ["admin"] }, "auth.oidc.grants: must be a function"],
  [{ ...VALID, name: "x" }, "auth.oidc.name: must be a function"],
];

for (const [value, fault] of FAULTS)
  test(`auth.oidc: ${JSON.stringify(value)} is refused: ${fault}`, () => {
    expect(() => resolved(value)).toThrow(fault);
  });
