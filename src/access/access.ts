import type { Clock } from "../core/clock.ts";
import { storageError } from "../storage/failures.ts";
import type { NewKey } from "./new-key.ts";
import { markSecured } from "./access-state.ts";
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
import { type KnownKey, type KnownKeys, readKnownKeys } from "./known-keys.ts";
import { createLastUses } from "./last-uses.ts";
import type { Principal } from "./principal.ts";
import { isSameText, TOKEN_PREFIX, tokenId } from "./token.ts";

/** Knowledge of keys that is older is checked against the database before a request proceeds. */
const FRESH_MS = 1_000;

/** Compared in place of the digest of an unknown key, so that both take the same time. */
const NO_DIGEST = "-".repeat(64);

/**
 * The keys as last read, which is plain data: the isolate of a worker keeps it from one request to the next, and nothing
 * in it waits or belongs to a request.
 */
export interface AccessMemory {
  known: KnownKeys | null;
  /** When the check of `known` began, on the monotonic clock. */
  checkedMs: number;
}

export function createAccessMemory(): AccessMemory {
  return { known: null, checkedMs: -Infinity };
}

/** Verifies the tokens of issuers. */
export interface TokenIssuers {
  /** Null: the token is not valid. Throws when the configuration or an issuer fails. */
  authenticate(token: string): Promise<Principal | null>;
}

export interface AccessDeps extends KeysDeps {
  readonly clock: Clock;
  /** Null: none are configured. */
  readonly issuers: TokenIssuers | null;
  readonly memory: AccessMemory;
  /** Whether last uses are written by a timer; a worker calls `settle` instead. */
  readonly inBackground: boolean;
}

/** The access control of one store. */
export interface Access {
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

export function openAccess(deps: AccessDeps): Access {
  const { database, writer, clock, digest, issuers, memory, inBackground } = deps;
  const uses = createLastUses({ writer, clock, inBackground });
  let checking: Promise<void> | null = null;

  const knownKeyOf = (id: string): KnownKey | undefined => memory.known?.keys.get(id);

  const hasExpired = ({ expires }: Principal) => expires !== null && expires <= clock.now();

  const isValid = (principal: Principal): boolean => {
    const { kind, credential, consumer, grants } = principal;
    if (hasExpired(principal)) return false;
    if (kind === "anybody") return memory.known?.isSecured !== true;
    if (credential === null) return true;
    const key = knownKeyOf(credential);
    if (key === undefined || hasExpired(key.principal) || key.principal.consumer !== consumer) return false;
    return grants === key.principal.grants || grants.map(grantText).join("\n") === key.grants;
  };

  const check = async () => {
    const began = clock.monotonic();
    try {
      const before = memory.known;
      const known = await readKnownKeys(database, before, clock.now());
      // A check of another invocation that began later has ended before this one.
      if (began < memory.checkedMs) return;
      if (known !== before) {
        for (const [id, key] of known.keys)
          key.used = Math.max(key.used ?? 0, before?.keys.get(id)?.used ?? 0) || null;
        memory.known = known;
      }
      if (issuers !== null && !known.isSecured) {
        await markSecured(writer);
        memory.known = { ...known, isSecured: true };
      }
      memory.checkedMs = began;
      if (known !== before) watches.endInvalid();
    } catch (error) {
      throw storageError(error);
    }
  };

  const refresh = () => {
    checking ??= check().finally(() => {
      checking = null;
    });
    return checking;
  };

  const isFresh = () => clock.monotonic() - memory.checkedMs <= FRESH_MS;

  const watches = createCredentialWatch({ clock, isValid, refresh });

  /** After a change of a key: a check that began before the change may have missed it. */
  const changed = async <Outcome>(outcome: Outcome): Promise<Outcome> => {
    await checking?.catch(() => {});
    // The change is stored. A check that fails is repeated before the next request proceeds.
    memory.checkedMs = -Infinity;
    await refresh().catch(() => {});
    return outcome;
  };

  const admit = (key: KnownKey): Principal | null => {
    if (hasExpired(key.principal)) return null;
    uses.note(key);
    return key.principal;
  };

  const judge = (token: string, id: string, digested: string): Principal | null => {
    const key = knownKeyOf(id);
    const isSame = isSameText(digested, key?.digest ?? NO_DIGEST);
    if (key === undefined || !isSame) return null;
    memory.known?.verified.set(token, key);
    return admit(key);
  };

  const authenticateKey = (token: string): Principal | null | Promise<Principal | null> => {
    const verified = memory.known?.verified.get(token);
    if (verified !== undefined) return admit(verified);
    const id = tokenId(token);
    if (id === null) return null;
    const digested = digest(token);
    return typeof digested === "string"
      ? judge(token, id, digested)
      : digested.then((text) => judge(token, id, text));
  };

  return {
    refreshed: () => (isFresh() ? null : refresh()),
    isSecured: () => memory.known?.isSecured === true || issuers !== null,
    authenticate(token) {
      if (!token.startsWith(TOKEN_PREFIX)) return issuers === null ? null : issuers.authenticate(token);
      if (isFresh()) return authenticateKey(token);
      // Garbage does not cause queries.
      return tokenId(token) === null ? null : refresh().then(() => authenticateKey(token));
    },
    isValid,
    watch: (principal) => watches.watch(principal),
    create: async (key, add) => changed(await createKey(deps, key, add)),
    rotate: async (id, options, add) => changed(await rotateKey(deps, id, options, add)),
    revoke: async (id, add) => changed(await revokeKey(deps, id, add)),
    settle: () => uses.flush(),
    async close() {
      watches.close();
      await uses.close();
    },
  };
}
