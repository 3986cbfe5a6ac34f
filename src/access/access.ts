import type { Clock } from "../core/clock.ts";
import type { NewKey } from "./new-key.ts";
import { createCredentialWatch, type WatchedCredential } from "./credential-watch.ts";
import { grantText } from "./grant.ts";
import {
  type AddStatements,
  createKey,
  type KeyCreation,
  type KeyRevocation,
  type KeyRotation,
  type KeyRotationOptions,
  type KeysDeps,
  revokeKey,
  rotateKey,
} from "./keys.ts";
import { type AccessMemory, createKeyMemory } from "./key-memory.ts";
import type { KnownKey, KnownKeys } from "./known-keys.ts";
import { createLastUses } from "./last-uses.ts";
import type { OidcClient } from "./oidc.ts";
import type { Principal } from "./principal.ts";
import { openSessionSecret } from "./session-secret.ts";
import { openSessions, type Sessions } from "./sessions.ts";
import { isSameText, TOKEN_PREFIX, tokenId } from "./token.ts";

/** Compared in place of the digest of an unknown key, so that both take the same time. */
const NO_DIGEST = "-".repeat(64);

/** Verifies the tokens of issuers. */
export interface TokenIssuers {
  /** Null: the token is not valid. Throws when the configuration or an issuer fails. */
  authenticate(token: string): Promise<Principal | null>;
}

export interface AccessDeps extends KeysDeps {
  readonly clock: Clock;
  /** Null: none are configured. */
  readonly issuers: TokenIssuers | null;
  /** Signs people in at an OpenID provider; null: none is configured. */
  readonly oidc: OidcClient | null;
  readonly memory: AccessMemory;
  /** Whether last uses are written by a timer; a worker calls `settle` instead. */
  readonly inBackground: boolean;
}

/** The access control of one store. */
export interface Access {
  readonly sessions: Sessions;
  /**
   * Null: the keys were read at most a second ago. Otherwise await it, and `isSecured` and `authenticate` are up
   * to date. Rejects with a KildeError when storage fails.
   */
  refreshed(): Promise<void> | null;
  /** Whether a key or issuer has ever existed, as far as is known. */
  isSecured(): boolean;
  /**
   * Identifies the sender by a bearer token; at once unless the keys have to be read. Null for every invalid token, for
   * whatever reason. Throws, or rejects, with a KildeError when storage or an issuer fails.
   */
  authenticate(token: string): Principal | null | Promise<Principal | null>;
  /** Whether a principal still has its credential, with the same grants, as far as is known. */
  isValid(principal: Principal): boolean;
  /** Ends a request that lasts, within 5 seconds after its credential has ended, and at once in this process. */
  watch(principal: Principal): WatchedCredential;
  create(key: NewKey, add?: AddStatements): Promise<KeyCreation>;
  rotate(id: string, options: KeyRotationOptions, add?: AddStatements): Promise<KeyRotation>;
  revoke(id: string, add?: AddStatements): Promise<KeyRevocation>;
  /** Stores when keys were last used. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

function hasExpired({ expires }: Principal, nowMs: number): boolean {
  return expires !== null && expires <= nowMs;
}

function isStillValid(principal: Principal, known: KnownKeys | null, nowMs: number): boolean {
  const { kind, credential, consumer, grants } = principal;
  if (hasExpired(principal, nowMs)) return false;
  if (kind === "anybody") return known?.isSecured !== true;
  if (credential === null) return true;
  const key = known?.keys.get(credential);
  if (key === undefined || hasExpired(key.principal, nowMs)) return false;
  if (key.principal.consumer !== consumer) return false;
  return grants === key.principal.grants || grants.map(grantText).join("\n") === key.grants;
}

/** Returns the function that identifies the sender by the token of a key, with the keys in memory. */
function keyAuthenticator({ memory, clock, digest }: AccessDeps, note: (key: KnownKey) => void) {
  const admit = (key: KnownKey): Principal | null => {
    if (hasExpired(key.principal, clock.now())) return null;
    note(key);
    return key.principal;
  };

  const judge = (token: string, id: string, digested: string): Principal | null => {
    const key = memory.known?.keys.get(id);
    const isSame = isSameText(digested, key?.digest ?? NO_DIGEST);
    if (key === undefined || !isSame) return null;
    memory.known?.verified.set(token, key);
    return admit(key);
  };

  return (token: string): Principal | null | Promise<Principal | null> => {
    const verified = memory.known?.verified.get(token);
    if (verified !== undefined) return admit(verified);
    const id = tokenId(token);
    if (id === null) return null;
    const digested = digest(token);
    return typeof digested === "string"
      ? judge(token, id, digested)
      : digested.then((text) => judge(token, id, text));
  };
}

export function openAccess(deps: AccessDeps): Access {
  const { database, writer, clock, issuers, oidc, memory, inBackground } = deps;
  const uses = createLastUses({ writer, clock, inBackground });
  const authenticateKey = keyAuthenticator(deps, (key) => uses.note(key));
  const isValid = (principal: Principal) => isStillValid(principal, memory.known, clock.now());
  const onChange = () => watches.endInvalid();
  const secures = issuers !== null || oidc !== null;
  const keys = createKeyMemory({ memory, database, writer, clock, secures, onChange });
  const watches = createCredentialWatch({ clock, isValid, refresh: () => keys.refresh() });

  const relearned = async <Outcome>(outcome: Outcome): Promise<Outcome> => {
    await keys.relearn();
    return outcome;
  };

  const authenticateFresh = (token: string) => {
    // Garbage does not cause queries.
    const again = () => (tokenId(token) === null ? null : keys.refresh().then(() => authenticateKey(token)));
    if (!keys.isFresh()) return again();
    // Another process may have created the key just now.
    const orAgain = (found: Principal | null) => (found !== null || keys.isRecent() ? found : again());
    const found = authenticateKey(token);
    return found instanceof Promise ? found.then(orAgain) : orAgain(found);
  };
  const secret = openSessionSecret({ memory: memory.sessionSecret, database, writer, clock });

  return {
    sessions: openSessions({ clock, secret, oidc, authenticateKey: authenticateFresh }),
    refreshed: () => (keys.isFresh() ? null : keys.refresh()),
    isSecured: () => memory.known?.isSecured === true || secures,
    authenticate(token) {
      if (token.startsWith(TOKEN_PREFIX)) return authenticateFresh(token);
      return issuers === null ? null : issuers.authenticate(token);
    },
    isValid,
    watch: (principal) => watches.watch(principal),
    create: async (key, add) => relearned(await createKey(deps, key, add)),
    rotate: async (id, options, add) => relearned(await rotateKey(deps, id, options, add)),
    revoke: async (id, add) => relearned(await revokeKey(deps, id, add)),
    settle: () => uses.flush(),
    async close() {
      watches.close();
      await uses.close();
    },
  };
}
