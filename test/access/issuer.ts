import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

import { openIssuers, type IssuersDeps } from "../../src/access/issuers.ts";
import type { TokenIssuers } from "../../src/access/access.ts";
import type { TokenIssuer } from "../../src/access/token-issuer.ts";
import { systemClock } from "../../src/core/system-clock.ts";

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

export interface SignedWith {
  readonly claims?: JWTPayload;
  /** A claim to leave out. */
  readonly without?: string;
  readonly algorithm?: string;
  readonly kid?: string;
  readonly key?: Parameters<SignJWT["sign"]>[0];
}

export const AUDIENCE = "kilde";

/** A provider of tokens at an address of this machine. */
export interface TestIssuer {
  readonly url: string;
  /** Requests so far, by path. */
  readonly requests: ReadonlyMap<string, number>;
  /** Makes it answer with this status, or properly again. */
  fail(status: number | null): void;
  /** Replaces the signing key; its key set then has only that one. */
  rotate(kid: string): Promise<void>;
  publicKey(): KeyPair["publicKey"];
  /** Signs a token that is valid for a minute, unless its claims differ. */
  sign(options?: SignedWith): Promise<string>;
  stop(): Promise<void>;
}

export async function startIssuer(algorithm = "ES256"): Promise<TestIssuer> {
  let kid = "first";
  let pair = await generateKeyPair(algorithm, { extractable: true });
  let status: number | null = null;
  const requests = new Map<string, number>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch({ url }) {
      const { pathname, origin } = new URL(url);
      requests.set(pathname, (requests.get(pathname) ?? 0) + 1);
      if (status !== null) return new Response("{}", { status });
      if (pathname === "/keys") {
        const key = await exportJWK(pair.publicKey);
        return Response.json({ keys: [{ ...key, kid, alg: algorithm, use: "sig" }] });
      }
      return Response.json({ issuer: origin, jwks_uri: `${origin}/keys` });
    },
  });
  const url = server.url.origin;
  return {
    url,
    requests,
    fail(next) {
      status = next;
    },
    async rotate(next) {
      kid = next;
      pair = await generateKeyPair(algorithm, { extractable: true });
    },
    publicKey: () => pair.publicKey,
    sign(options = {}) {
      const { claims = {}, without = "", key = pair.privateKey } = options;
      const now = Math.floor(Date.now() / 1_000);
      const payload = { iss: url, aud: AUDIENCE, sub: "ci", iat: now, exp: now + 60, ...claims };
      const kept = Object.fromEntries(Object.entries(payload).filter(([name]) => name !== without));
      const header = { alg: options.algorithm ?? algorithm, kid: options.kid ?? kid };
      return new SignJWT(kept).setProtectedHeader(header).sign(key);
    },
    stop: () => server.stop(true),
  };
}

/** Opens an issuer as the product does, with the least grants unless the test states others. */
export function trusting(
  issuer: TestIssuer,
  options: Partial<TokenIssuer> = {},
  deps: Partial<IssuersDeps> = {},
): TokenIssuers {
  const configured = {
    issuer: issuer.url,
    audience: AUDIENCE,
    algorithms: ["ES256"],
    grants: () => ["read:/metrics"],
    ...options,
  };
  const opened = openIssuers([configured], {
    clock: systemClock,
    fetch: (url, init) => fetch(url, init),
    consumerBytes: 256,
    ...deps,
  });
  if (opened === null) throw new Error("an issuer is configured");
  return opened;
}
