import type { TokenIssuer } from "./token-issuer.ts";

/** An OpenID provider, where people sign in to open a session. */
export interface OidcProvider extends Pick<TokenIssuer, "issuer" | "grants" | "name"> {
  /** Kilde's id at the provider. */
  readonly clientId: string;
  /** Kilde's secret at the provider; undefined: Kilde is a public client. Safer in the environment. */
  readonly clientSecret?: string | undefined;
  /** Scopes beside `openid`. Default: `profile` and `email`. */
  readonly scopes?: readonly string[] | undefined;
}
