import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { exportSPKI, generateKeyPair, type JWTPayload } from "jose";

import { openIssuers } from "../../src/access/issuers.ts";
import { DEFAULT_SETTINGS } from "../../src/config/settings.ts";
import { resolveSettings } from "../../src/config/resolve.ts";
import { runtimeClock } from "../../src/core/runtime-clock.ts";
import { openTestAccess } from "./opened.ts";
import { newDatabase } from "../support/new-database.ts";
import { AUDIENCE, type SignedWith, startIssuer, type TestIssuer, trusting } from "./issuer.ts";

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(() => issuer.stop());

const seconds = () => Math.floor(Date.now() / 1_000);

describe("tokens of issuers", () => {
  test("a valid token is its sender, named by issuer and subject, until the token expires", async () => {
    const exp = seconds() + 60;
    const principal = await trusting(issuer).authenticate(await issuer.sign({ claims: { exp } }));
    expect(principal).toEqual({
      kind: "jwt",
      name: `jwt:${new URL(issuer.url).host}#ci`,
      grants: [{ verb: "read", path: "/metrics", isPrefix: false, subjectPrefix: "" }],
      consumer: null,
      credential: null,
      expires: (exp + 30) * 1_000,
    });
  });

  test("issuers on one host have senders of different names, whatever subjects they state", async () => {
    const names: unknown[] = [];
    for (const [path, sub] of [
      ["/id/a", "ci"],
      ["/id/b", "ci"],
      ["/id", "a:ci"],
      ["/id/a:ci", "ci"],
      ["/id/a", "ci:ci"],
    ] as const) {
      const own = { issuer: issuer.url + path, jwksUrl: `${issuer.url}/keys` };
      const token = await issuer.sign({ claims: { iss: own.issuer, sub } });
      names.push((await trusting(issuer, own).authenticate(token))?.name);
    }
    expect(new Set(names).size).toBe(5);
  });

  test("grants, name and consumer come from the claims", async () => {
    const trusted = trusting(issuer, {
      grants: ({ team }) => [`read:/feeds/${String(team)}`],
      name: ({ team }) => `team-${String(team)}`,
      consumer: ({ team }) => String(team),
    });
    expect(await trusted.authenticate(await issuer.sign({ claims: { team: "cards" } }))).toMatchObject({
      name: "jwt:team-cards",
      grants: [{ path: "/feeds/cards" }],
      consumer: "cards",
    });
  });

  const REFUSED: readonly (readonly [
    because: string,
    signed: SignedWith | (() => SignedWith | Promise<SignedWith>),
  ])[] = [
    ["is expired", () => ({ claims: { exp: seconds() - 31 } })],
    ["never expires", { without: "exp" }],
    ["is not valid yet", () => ({ claims: { nbf: seconds() + 31 } })],
    ["is for another audience", { claims: { aud: "others" } }],
    ["is for no audience", { without: "aud" }],
    ["is of an unknown issuer", { claims: { iss: "https://issuer.example" } }],
    ["is of an issuer that differs by a slash", () => ({ claims: { iss: `${issuer.url}/` } })],
    ["has no subject", { without: "sub" }],
    ["has a subject with control characters", { claims: { sub: "a\u0000b" } }],
    ["has an unknown key id", { kid: "other" }],
    ["is signed with another key", async () => ({ key: (await generateKeyPair("ES256")).privateKey })],
    [
      "is signed with an algorithm that is not configured",
      async () => ({ algorithm: "RS256", key: (await generateKeyPair("RS256")).privateKey }),
    ],
    [
      "is signed with the public key as a shared secret",
      async () => ({
        algorithm: "HS256",
        key: new TextEncoder().encode(await exportSPKI(issuer.publicKey())),
      }),
    ],
  ];

  for (const [because, signed] of REFUSED)
    test(`a token is refused that ${because}`, async () => {
      const options = typeof signed === "function" ? await signed() : signed;
      const trusted = trusting(issuer);
      expect(await trusted.authenticate(await issuer.sign(options))).toBeNull();
      expect(await trusted.authenticate(await issuer.sign())).not.toBeNull();
    });

  test("an unsigned token is refused, with and without an empty signature", async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims: JWTPayload = { iss: issuer.url, aud: AUDIENCE, sub: "ci", exp: seconds() + 60 };
    const unsigned = `${part({ alg: "none" })}.${part(claims)}`;
    const [, , signature = ""] = (await issuer.sign()).split(".");
    for (const token of [unsigned, `${unsigned}.`, `${unsigned}.${signature}`])
      expect(await trusting(issuer).authenticate(token)).toBeNull();
  });

  test("clocks may differ by 30 seconds", async () => {
    const trusted = trusting(issuer);
    for (const claims of [{ exp: seconds() - 25 }, { nbf: seconds() + 25 }])
      expect(await trusted.authenticate(await issuer.sign({ claims }))).not.toBeNull();
  });

  test("a key of one type is not used with an algorithm of another", async () => {
    const ofRsa = await startIssuer("RS256");
    try {
      const trusted = trusting(ofRsa, { algorithms: ["RS256", "PS256", "ES256"] });
      const elliptic = (await generateKeyPair("ES256")).privateKey;
      expect(await trusted.authenticate(await ofRsa.sign({ algorithm: "ES256", key: elliptic }))).toBeNull();
      expect(await trusted.authenticate(await ofRsa.sign())).not.toBeNull();
    } finally {
      await ofRsa.stop();
    }
  });

  test("tokens with unknown key ids cause one request, however many they are", async () => {
    const trusted = trusting(issuer);
    await trusted.authenticate(await issuer.sign());
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => issuer.sign({ kid: `k${index}` })),
    );
    for (const token of tokens) expect(await trusted.authenticate(token)).toBeNull();
    await Promise.all(tokens.map((token) => trusted.authenticate(token)));
    expect(issuer.requests.get("/keys")).toBe(1);
    expect(issuer.requests.get("/.well-known/openid-configuration")).toBe(1);
  });

  test("a rotated key is accepted after the cooldown, and the former one no more", async () => {
    const trusted = trusting(issuer, {}, { cooldownMs: 50 });
    const former = await issuer.sign();
    expect(await trusted.authenticate(former)).not.toBeNull();
    await issuer.rotate("second");
    await Bun.sleep(60);
    expect(await trusted.authenticate(await issuer.sign())).not.toBeNull();
    expect(await trusted.authenticate(former)).toBeNull();
  });

  test("an issuer that fails is unavailable, and rests before it is asked again", async () => {
    let passedMs = 0;
    const clock = { ...runtimeClock, monotonic: () => passedMs };
    const trusted = trusting(issuer, {}, { clock, restMs: 1_000 });
    issuer.fail(500);
    const token = await issuer.sign();
    for (let turn = 0; turn < 5; turn += 1)
      await expect(trusted.authenticate(token)).rejects.toMatchObject({ code: "issuer-unavailable" });
    expect(issuer.requests.get("/.well-known/openid-configuration")).toBe(1);
    issuer.fail(null);
    passedMs = 1_000;
    expect(await trusted.authenticate(token)).not.toBeNull();
  });

  test("an issuer that does not answer is unavailable", async () => {
    const silent = (_url: string, { signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const trusted = trusting(issuer, {}, { fetch: silent, timeoutMs: 20 });
    await expect(trusted.authenticate(await issuer.sign())).rejects.toMatchObject({
      code: "issuer-unavailable",
      message: expect.stringContaining("did not answer in time") as unknown as string,
    });
  });

  test("the description of another issuer is not trusted", async () => {
    const elsewhere = await startIssuer();
    try {
      const toElsewhere = (url: string, init: RequestInit) =>
        fetch(url.replace(issuer.url, elsewhere.url), init);
      const trusted = trusting(issuer, {}, { fetch: toElsewhere });
      await expect(trusted.authenticate(await issuer.sign())).rejects.toMatchObject({
        code: "issuer-unavailable",
      });
    } finally {
      await elsewhere.stop();
    }
  });

  test("keys are read from jwksUrl where it is configured, without discovery", async () => {
    const trusted = trusting(issuer, { jwksUrl: `${issuer.url}/keys` });
    expect(await trusted.authenticate(await issuer.sign())).not.toBeNull();
    expect(Object.fromEntries(issuer.requests)).toEqual({ "/keys": 1 });
  });

  const WRONG: readonly (readonly [fault: string, options: object])[] = [
    [
      "grants of ISSUER threw an error",
      {
        grants: () => {
          throw new Error("no team");
        },
      },
    ],
    ["grants of ISSUER must return a list of grants", { grants: () => "admin" }],
    ["grants of ISSUER must return a list of grants", { grants: () => Promise.resolve(["admin"]) }],
    ["grants of ISSUER must return a list of grants", { grants: () => undefined }],
    ["grants of ISSUER must return texts", { grants: () => ["read:/metrics", null] }],
    ['grants of ISSUER returned "read:/all"', { grants: () => ["read:/metrics", "read:/all"] }],
    ["name of ISSUER returned a name that is no text", { name: () => 1 }],
    ["name of ISSUER returned a name that must not be empty", { name: () => "" }],
    ["consumer of ISSUER returned a name that is no text", { consumer: () => ({}) }],
    [
      "consumer of ISSUER threw an error",
      {
        consumer: () => {
          throw new Error("no consumer");
        },
      },
    ],
  ];

  for (const [index, [fault, options]] of WRONG.entries())
    test(`a function that fails fails the request, and never grants (${index + 1}): ${fault}`, async () => {
      const trusted = trusting(issuer, options);
      await expect(trusted.authenticate(await issuer.sign())).rejects.toThrow(
        fault.replace("ISSUER", issuer.url),
      );
    });

  test("a token with no grants is a sender that may do nothing", async () => {
    const trusted = trusting(issuer, { grants: () => [] });
    expect(await trusted.authenticate(await issuer.sign())).toMatchObject({ kind: "jwt", grants: [] });
  });

  test("a configured issuer secures the store, permanently and for every process", async () => {
    const database = await newDatabase();
    const trusted = trusting(issuer);
    const withIssuer = await openTestAccess({ database, issuers: trusted });
    await withIssuer.refreshed();
    expect(withIssuer.isSecured()).toBe(true);
    const token = await issuer.sign();
    expect(await withIssuer.authenticate(token)).toMatchObject({ kind: "jwt" });
    const without = await openTestAccess({ database });
    await without.refreshed();
    expect(without.isSecured()).toBe(true);
    expect(await without.authenticate(token)).toBeNull();
    for (const one of [withIssuer, without]) await one.close();
    database.close();
  });

  test("no issuers are opened where none are configured", () => {
    const deps = {
      clock: runtimeClock,
      fetch: () => Promise.reject(new Error("no request")),
      consumerBytes: 256,
    };
    expect(openIssuers(DEFAULT_SETTINGS.auth.issuers, deps)).toBeNull();
  });
});

describe("the setting auth", () => {
  const valid = {
    issuer: "https://issuer.example",
    audience: "kilde",
    algorithms: ["RS256"],
    grants: () => [],
  };
  const resolved = (auth: unknown): unknown =>
    resolveSettings({ flags: {}, environment: {}, file: { path: "kilde.config.ts", value: { auth } } }).auth;

  test("accepts issuers, with addresses of this machine for tests", () => {
    const issuers = [
      valid,
      { ...valid, issuer: "http://127.0.0.1:4444", audience: ["a", "b"], name: () => "ci" },
    ];
    expect(resolved({ issuers })).toEqual({ issuers });
  });

  const FAULTS: readonly (readonly [value: unknown, fault: string])[] = [
    [[], "auth: must be an object: { issuers, oidc }"],
    [{ issuer: [] }, "auth: has no member issuer; it must be an object: { issuers, oidc }"],
    [{ issuers: valid }, "auth.issuers: must be a list of issuers"],
    [{ issuers: [valid, valid] }, "auth.issuers: must name each issuer once"],
    [
      { issuers: [{ ...valid, issuer: "http://issuer.example" }] },
      "auth.issuers.0.issuer: must be an https:// URL",
    ],
    [{ issuers: [{ ...valid, issuer: "issuer.example" }] }, "auth.issuers.0.issuer: must be an https:// URL"],
    [{ issuers: [{ ...valid, audience: [] }] }, "auth.issuers.0.audience: must"],
    [{ issuers: [{ ...valid, audience: undefined }] }, "auth.issuers.0.audience: must be an audience"],
    [{ issuers: [{ ...valid, algorithms: [] }] }, "auth.issuers.0.algorithms: must name at least one"],
    [{ issuers: [{ ...valid, algorithms: ["none"] }] }, "auth.issuers.0.algorithms.0: must be one of RS256"],
    [{ issuers: [{ ...valid, algorithms: ["HS256"] }] }, "auth.issuers.0.algorithms.0: must be one of RS256"],
    [{ issuers: [{ ...valid, grants: ["admin"] }] }, "auth.issuers.0.grants: must be a function"],
    [
      { issuers: [{ ...valid, jwksUrl: "ftp://issuer.example" }] },
      "auth.issuers.0.jwksUrl: must be an https:// URL",
    ],
  ];

  for (const [value, fault] of FAULTS)
    test(`${JSON.stringify(value)} is refused: ${fault}`, () => {
      expect(() => resolved(value)).toThrow(fault);
    });
});
