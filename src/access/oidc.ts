import type { Clock } from "../core/clock.ts";
import type { ClaimedPrincipal } from "./claimed-principal.ts";
import type { IssuerFetch } from "./issuer-keys.ts";
import type { OidcProvider } from "./oidc-provider.ts";

/** The parts of an attempt to sign in that the browser must bring back, and the provider must not learn. */
export interface SignInAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** Signs people in at an OpenID provider by an authorization code with PKCE. */
export interface OidcClient extends Pick<OidcProvider, "issuer" | "clientSecret"> {
  /**
   * Returns the URL at the provider to send the browser to. Throws a KildeError when the provider does not answer.
   * `callbackUrl`: where the provider sends the browser back to.
   */
  begin(callbackUrl: string): Promise<{ readonly location: string; readonly attempt: SignInAttempt }>;
  /**
   * Returns the person that the provider has sent back. Throws a KildeError when the attempt fails, and an Error when
   * the configuration does. `callback`: the URL that the browser came back to, with the answer of the provider.
   */
  complete(callback: URL, attempt: SignInAttempt): Promise<ClaimedPrincipal>;
}

export interface OidcDeps {
  readonly clock: Pick<Clock, "monotonic">;
  /** Sends requests to the provider. */
  readonly fetch: IssuerFetch;
  /** Time for an answer of the provider, in milliseconds. Default: 5 seconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;

/**
 * Opens the configured provider; null without one. The code that talks to it is loaded with the first sign-in, so that
 * starting takes no longer.
 */
export function openOidc(provider: OidcProvider | undefined, deps: OidcDeps): OidcClient | null {
  if (provider === undefined) return null;
  const { issuer, clientSecret } = provider;
  type Flow = Pick<OidcClient, "begin" | "complete">;
  let loaded: Flow | null = null;
  const flow = async (): Promise<Flow> => {
    if (loaded !== null) return loaded;
    const { createOidcFlow } = await import("./oidc-flow.ts");
    loaded ??= createOidcFlow(provider, { timeoutMs: TIMEOUT_MS, ...deps });
    return loaded;
  };
  return {
    issuer,
    clientSecret,
    begin: async (callbackUrl) => (await flow()).begin(callbackUrl),
    complete: async (callback, attempt) => (await flow()).complete(callback, attempt),
  };
}
