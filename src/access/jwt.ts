import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose";

import type { Clock } from "../core/clock.ts";
import { claimedPrincipal } from "./claimed-principal.ts";
import { createIssuerKeys, type IssuerKeysDeps } from "./issuer-keys.ts";
import { JWT_NAME_PREFIX } from "./new-key.ts";
import type { Principal } from "./principal.ts";
import type { TokenClaims, TokenIssuer } from "./token-issuer.ts";

/** Clocks of issuers may differ from this one by so much. */
const SKEW_SECONDS = 30;

export interface JwtDeps extends IssuerKeysDeps {
  readonly clock: Clock;
  /** Longest name of a consumer, in bytes. */
  readonly consumerBytes: number;
}

interface Trusted {
  readonly issuer: TokenIssuer;
  readonly keys: JWTVerifyGetKey;
}

function principalOf(issuer: TokenIssuer, payload: JWTPayload, consumerBytes: number): Principal | null {
  // `iss` and `exp` were verified.
  const claims = payload as TokenClaims;
  const mapping = { ...issuer, setting: "auth.issuers", namePrefix: JWT_NAME_PREFIX, consumerBytes };
  const claimed = claimedPrincipal(mapping, claims);
  if (claimed === null) return null;
  return { kind: "jwt", ...claimed, credential: null, expires: (claims.exp + SKEW_SECONDS) * 1_000 };
}

function issuerIn(token: string): string | null {
  try {
    return decodeJwt(token).iss ?? null;
  } catch {
    return null;
  }
}

/** Verifies the tokens of issuers; see `TokenIssuers.authenticate`. */
export function createJwtVerifier(
  issuers: readonly TokenIssuer[],
  deps: JwtDeps,
): (token: string) => Promise<Principal | null> {
  const trusted = new Map<string, Trusted>(
    issuers.map((issuer) => [issuer.issuer, { issuer, keys: createIssuerKeys(issuer, deps) }]),
  );
  return async (token) => {
    const found = trusted.get(issuerIn(token) ?? "");
    if (found === undefined) return null;
    const { issuer, keys } = found;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, keys, {
        issuer: issuer.issuer,
        audience: [issuer.audience].flat(),
        algorithms: [...issuer.algorithms],
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(deps.clock.now()),
        requiredClaims: ["exp"],
      }));
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
    return principalOf(issuer, payload, deps.consumerBytes);
  };
}
