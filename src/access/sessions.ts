import type { Clock } from "../core/clock.ts";
import type { ClaimedPrincipal } from "./claimed-principal.ts";
import type { CookiePurpose, CookieSeal } from "./cookie-seal.ts";
import { type Grant, grantText, parseGrant } from "./grant.ts";
import type { OidcClient, SignInAttempt } from "./oidc.ts";
import type { Principal } from "./principal.ts";
import type { SessionSecret } from "./session-secret.ts";
import { TOKEN_PREFIX } from "./token.ts";

/** Longest life of a session. */
const SESSION_MS = 12 * 60 * 60 * 1_000;

/** Time to sign in at the provider. */
export const SIGN_IN_MS = 10 * 60 * 1_000;

/** Browsers store cookies of at most 4,096 bytes, with their name and attributes. */
const MAX_SEALED_LENGTH = 3_800;

export interface OpenedSession {
  /** The value of the session's cookie. */
  readonly sealed: string;
  readonly principal: Principal;
  /** Seconds until it expires, rounded down. */
  readonly seconds: number;
}

/** An attempt to sign in, and the path of this server to return to. */
export interface StartedSignIn extends SignInAttempt {
  readonly returnTo: string;
}

/**
 * The sessions of browsers. Nothing is stored about a session: its sealed cookie has everything. It expires after 12
 * hours.
 */
export interface Sessions {
  /** Signs people in at the OpenID provider; null: none is configured. */
  readonly oidc: OidcClient | null;
  /** Opens a session with the token of a key, and ends it with the key. Null: the token is not valid. */
  openWithKey(token: string): Promise<OpenedSession | null>;
  /** Opens a session for someone who signed in. The grants hold until the session expires. */
  openSignedIn(claimed: ClaimedPrincipal): Promise<OpenedSession>;
  /** Returns the sender by the value of the session's cookie; null: the session is not valid. */
  identify(sealed: string): Promise<Principal | null>;
  sealSignIn(started: StartedSignIn): Promise<string>;
  /** Null: the text is not a sealed sign-in, or was sealed more than 10 minutes ago. */
  openSignIn(sealed: string): Promise<StartedSignIn | null>;
}

export interface SessionsDeps {
  readonly clock: Pick<Clock, "now">;
  readonly secret: SessionSecret;
  readonly oidc: OidcClient | null;
  /** Identifies the holder of a key. */
  readonly authenticateKey: (token: string) => Principal | null | Promise<Principal | null>;
}

/** The claims of a session: the token of the key, so that the key is checked like in any other request; or the sender. */
type SessionClaims =
  | { readonly token: string; readonly exp: number }
  | {
      readonly iss: string;
      readonly exp: number;
      readonly name: string;
      readonly grants: readonly string[];
      readonly consumer: string | null;
    };

/** Grants that this version does not know, of a newer one, allow nothing. */
function knownGrants(texts: readonly string[]): readonly Grant[] {
  return texts.flatMap((text) => {
    const parsed = parseGrant(text);
    return "fault" in parsed ? [] : [parsed];
  });
}

export function openSessions({ clock, secret, oidc, authenticateKey }: SessionsDeps): Sessions {
  let loaded: CookieSeal | null = null;
  /** The code that seals is loaded with the first cookie, so that starting takes no longer. */
  const seals = async (): Promise<CookieSeal> => {
    if (loaded !== null) return loaded;
    const { createCookieSeal } = await import("./cookie-seal.ts");
    // A copy of the database alone then opens no session of someone who signed in.
    loaded ??= createCookieSeal({ clock, secret, pepper: oidc?.clientSecret ?? "" });
    return loaded;
  };
  const open = async (purpose: CookiePurpose, sealed: string) => (await seals()).open(purpose, sealed);

  const opened = async (claims: SessionClaims, principal: Principal): Promise<OpenedSession> => {
    const expires = claims.exp * 1_000;
    const sealed = await (await seals()).seal("session", claims, expires);
    if (sealed.length > MAX_SEALED_LENGTH)
      throw new Error("auth.oidc: the grants and the name of a session do not fit into a cookie");
    const seconds = Math.floor((expires - clock.now()) / 1_000);
    return { sealed, principal: { ...principal, kind: "session", expires }, seconds };
  };
  const expiry = (limit: number | null) =>
    Math.floor(Math.min(clock.now() + SESSION_MS, limit ?? Infinity) / 1_000);

  const signedIn = ({ name, grants, consumer }: ClaimedPrincipal, exp: number): Principal => ({
    kind: "session",
    name,
    grants,
    consumer,
    credential: null,
    expires: exp * 1_000,
  });

  return {
    oidc,
    async openWithKey(token) {
      if (!token.startsWith(TOKEN_PREFIX)) return null;
      const principal = await authenticateKey(token);
      return principal === null ? null : opened({ token, exp: expiry(principal.expires) }, principal);
    },
    openSignedIn(claimed) {
      const exp = expiry(null);
      const grants = claimed.grants.map(grantText);
      const claims = { iss: oidc?.issuer ?? "", exp, ...claimed, grants };
      return opened(claims, signedIn(claimed, exp));
    },
    async identify(sealed) {
      const payload = await open("session", sealed);
      if (payload === null) return null;
      const claims = payload as unknown as SessionClaims;
      if ("token" in claims) {
        const principal = await authenticateKey(claims.token);
        return principal === null ? null : { ...principal, kind: "session", expires: claims.exp * 1_000 };
      }
      if (claims.iss !== oidc?.issuer) return null;
      return signedIn({ ...claims, grants: knownGrants(claims.grants) }, claims.exp);
    },
    async sealSignIn(started) {
      return (await seals()).seal("sign-in", { ...started }, clock.now() + SIGN_IN_MS);
    },
    async openSignIn(sealed) {
      return (await open("sign-in", sealed)) as StartedSignIn | null;
    },
  };
}
