import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose";

import type { Clock } from "../core/clock.ts";
import { nameFault } from "../core/names.ts";
import { type Grant, parseGrant } from "./grant.ts";
import { createIssuerKeys, type IssuerKeysDeps } from "./issuer-keys.ts";
import { JWT_NAME_PREFIX } from "./new-key.ts";
import type { Principal } from "./principal.ts";
import type { TokenClaims, TokenIssuer } from "./token-issuer.ts";

/** Clocks of issuers may differ from this one by so much. */
const SKEW_SECONDS = 30;

const MAX_NAME_BYTES = 1_024;

export interface JwtDeps extends IssuerKeysDeps {
  readonly clock: Clock;
  /** Longest name of a consumer, in bytes. */
  readonly consumerBytes: number;
}

interface Trusted {
  readonly issuer: TokenIssuer;
  readonly keys: JWTVerifyGetKey;
}

/** The fault of a function in `auth.issuers`: it fails the request, and the log shows it. */
function configurationFault(issuer: TokenIssuer, member: string, fault: string, cause?: unknown): Error {
  return new Error(`auth.issuers: ${member} of ${issuer.issuer} ${fault}`, { cause });
}

/** Calls a function of the configuration. */
function call<Result>(issuer: TokenIssuer, member: string, called: () => Result): Result {
  try {
    return called();
  } catch (error) {
    throw configurationFault(issuer, member, "threw an error", error);
  }
}

function grantsOf(issuer: TokenIssuer, claims: TokenClaims): readonly Grant[] {
  const texts: unknown = call(issuer, "grants", () => issuer.grants(claims));
  if (!Array.isArray(texts)) throw configurationFault(issuer, "grants", "must return a list of grants");
  return texts.map((text: unknown) => {
    if (typeof text !== "string") throw configurationFault(issuer, "grants", "must return texts");
    const parsed = parseGrant(text);
    if (!("fault" in parsed)) return parsed;
    throw configurationFault(issuer, "grants", `returned ${JSON.stringify(text)}, which ${parsed.fault}`);
  });
}

function checkedName(issuer: TokenIssuer, member: string, name: unknown, maxBytes: number): string {
  const fault = typeof name === "string" ? nameFault(name, maxBytes) : "is no text";
  if (fault === null) return name as string;
  throw configurationFault(issuer, member, `returned a name that ${fault}`);
}

/** Null: the token has no subject to name the sender by. */
function nameOf(issuer: TokenIssuer, claims: TokenClaims): string | null {
  const { name } = issuer;
  if (name !== undefined) {
    const chosen = call(issuer, "name", () => name(claims));
    return JWT_NAME_PREFIX + checkedName(issuer, "name", chosen, MAX_NAME_BYTES);
  }
  const { sub } = claims;
  if (typeof sub !== "string" || nameFault(sub, MAX_NAME_BYTES) !== null) return null;
  return `${JWT_NAME_PREFIX}${new URL(issuer.issuer).host}:${sub}`;
}

function consumerOf(issuer: TokenIssuer, claims: TokenClaims, maxBytes: number): string | null {
  const { consumer } = issuer;
  const name = consumer === undefined ? null : call(issuer, "consumer", () => consumer(claims));
  return name === null ? null : checkedName(issuer, "consumer", name, maxBytes);
}

function principalOf(issuer: TokenIssuer, payload: JWTPayload, consumerBytes: number): Principal | null {
  // `iss` and `exp` were verified.
  const claims = payload as TokenClaims;
  const name = nameOf(issuer, claims);
  if (name === null) return null;
  return {
    kind: "jwt",
    name,
    grants: grantsOf(issuer, claims),
    consumer: consumerOf(issuer, claims, consumerBytes),
    credential: null,
    expires: (claims.exp + SKEW_SECONDS) * 1_000,
  };
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
