/** The claims of a verified JSON Web Token (RFC 7519). */
export interface TokenClaims {
  readonly iss: string;
  readonly exp: number;
  readonly sub?: string;
  readonly [claim: string]: unknown;
}

/** A trusted issuer of JSON Web Tokens, such as an OpenID provider, a Kubernetes cluster or a CI service. */
export interface TokenIssuer {
  /** The `iss` of its tokens, exactly. */
  readonly issuer: string;
  /** A token must name one of these in `aud`. */
  readonly audience: string | readonly string[];
  /** Accepted signature algorithms, such as `RS256`; only those with a public key. */
  readonly algorithms: readonly string[];
  /** URL of its key set. Default: found by `/.well-known/openid-configuration` of the issuer. */
  readonly jwksUrl?: string | undefined;
  /** Returns the text forms of the grants of a token's sender: none for a sender that may do nothing. */
  readonly grants: (claims: TokenClaims) => readonly string[];
  /** Returns the sender's name. It is recorded as `jwt:<name>`, and must be unique among all issuers. Default: the issuer without `https://`, `#` and `sub`. */
  readonly name?: ((claims: TokenClaims) => string) | undefined;
  /** Returns the consumer that the sender reads and commits as; null: none. Default: none. */
  readonly consumer?: ((claims: TokenClaims) => string | null) | undefined;
}

/** Signature algorithms with a public key. A shared secret or `none` cannot be configured. */
export const SIGNATURE_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;
