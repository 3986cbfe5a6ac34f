import { type Access, openAccess, type TokenIssuers } from "../../src/access/access.ts";
import { createAccessMemory } from "../../src/access/key-memory.ts";
import { webDigest } from "../../src/access/digest.ts";
import { nodeDigest } from "../../src/access/node-digest.ts";
import type { KeyCreation } from "../../src/access/keys.ts";
import type { NewKey } from "../../src/access/new-key.ts";
import type { OidcClient } from "../../src/access/oidc.ts";
import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { migrate } from "../../src/log/migrate.ts";
import { writeBatch } from "../../src/storage/batch-writer.ts";
import type { Database } from "../../src/storage/database.ts";

/** Where access control runs: a server computes digests at once and has timers, a worker has neither. */
export type Runtime = "server" | "worker";

export interface OpenOptions {
  readonly database: Database;
  readonly clock?: Clock;
  readonly runtime?: Runtime;
  readonly mostKeys?: number;
  readonly issuers?: TokenIssuers;
  readonly oidc?: OidcClient;
}

/** Opens access control on a database, whose schema it brings up to date. */
export async function openTestAccess(options: OpenOptions): Promise<Access> {
  const { database, clock = systemClock, runtime = "server", mostKeys = 10_000 } = options;
  const { issuers = null, oidc = null } = options;
  await migrate(database);
  return openAccess({
    database,
    writer: { write: (statements) => writeBatch(database, clock, statements) },
    clock,
    digest: runtime === "server" ? nodeDigest : webDigest,
    mostKeys,
    consumerBytes: 256,
    issuers,
    oidc,
    memory: createAccessMemory(),
    inBackground: runtime === "server",
  });
}

export const READER: NewKey = {
  name: "cards",
  grants: ["read:/feeds/declarations"],
  consumer: "cards",
  expires: null,
};

type Created = Extract<KeyCreation, { readonly outcome: "created" }>;

/** Creates a key, and fails the test if it cannot be. */
export async function created(access: Access, key: Partial<NewKey> = {}): Promise<Created> {
  const result = await access.create({ ...READER, ...key });
  if (result.outcome !== "created") throw new Error(JSON.stringify(result));
  return result;
}

/** A clock that stands still until it is moved; sleepers wake when their time has come. */
export function movableClock(startMs = Date.UTC(2026, 0, 1)) {
  let passedMs = 0;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  const clock: Clock = {
    now: () => startMs + passedMs,
    monotonic: () => passedMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = { at: passedMs + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", () => {
          sleepers.delete(sleeper);
          resolve();
        });
      }),
    yield: () => Promise.resolve(),
  };
  return {
    clock,
    sleepers: () => sleepers.size,
    /** Moves on, wakes sleepers on the way, and lets their work finish. */
    async pass(ms: number): Promise<void> {
      const end = passedMs + ms;
      for (;;) {
        const next = [...sleepers].toSorted((one, other) => one.at - other.at)[0];
        if (next === undefined || next.at > end) break;
        passedMs = Math.max(passedMs, next.at);
        sleepers.delete(next);
        next.wake();
        // Queries of a libSQL server take real time.
        await Bun.sleep(30);
      }
      passedMs = end;
    },
  };
}
