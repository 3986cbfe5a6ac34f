import type { Principal } from "./principal.ts";
import type { TokenIssuers } from "./access.ts";
import type { JwtDeps } from "./jwt.ts";
import type { TokenIssuer } from "./token-issuer.ts";

/** Three parts in base64url (RFC 7515 §7.1). */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** A header of a request can hardly be longer. */
const MAX_LENGTH = 16_384;

/** `timeoutMs`, `restMs` and `cooldownMs` of `IssuerKeysDeps`. */
const TIMES = { timeoutMs: 5_000, restMs: 5_000, cooldownMs: 30_000 };

export type IssuersDeps = Pick<JwtDeps, "clock" | "fetch" | "consumerBytes"> & Partial<typeof TIMES>;

/**
 * Opens the configured issuers; null without any. The code that verifies tokens is loaded with the first token, so that
 * starting takes no longer.
 */
export function openIssuers(issuers: readonly TokenIssuer[], deps: IssuersDeps): TokenIssuers | null {
  if (issuers.length === 0) return null;
  let verify: ((token: string) => Promise<Principal | null>) | null = null;
  return {
    async authenticate(token) {
      if (token.length > MAX_LENGTH || !FORM.test(token)) return null;
      if (verify === null) {
        const { createJwtVerifier } = await import("./jwt.ts");
        verify ??= createJwtVerifier(issuers, { ...TIMES, ...deps });
      }
      return verify(token);
    },
  };
}
