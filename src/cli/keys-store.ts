import { resolve } from "node:path";

import { keyJson, issuedKeyJson, keyNotFound, revokedKeyJson } from "../access/key-json.ts";
import { createKey, findKey, type KeysDeps, listKeys, revokeKey, rotateKey } from "../access/keys.ts";
import { nodeDigest } from "../access/node-digest.ts";
import type { Actor } from "../administration/actor.ts";
import { recordKeyCreation, recordKeyRevocation, recordKeyRotation } from "../administration/key-entries.ts";
import type { ApiKeys } from "../client/key-types.ts";
import { loadSettings } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import { databaseFile } from "../core/database-url.ts";
import { migrate } from "../log/migrate.ts";
import { writeBatch } from "../storage/batch-writer.ts";
import type { Database } from "../storage/database.ts";
import type { CliContext } from "./context.ts";
import { missingFiles, requireExisting, withDatabase, withReadOnlyDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import type { ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";
import { meantDatabase } from "./tenants.ts";

export interface KeysFlags extends ServerFlags, Readonly<Record<string, unknown>> {
  readonly json?: boolean;
}

/** How a command uses the keys: whether it changes them, and whether it may create the database. */
export type KeysUse = "read" | "change" | "create";

const PAGE_KEYS = 500;

const DAY_MS = 24 * 60 * 60 * 1_000;

function expiryMs(expires: string | null): number | null {
  return expires === null ? null : Date.parse(expires);
}

/** The keys of a database, without a server. */
function keysOf(deps: KeysDeps, actor: Actor): ApiKeys {
  const { database, clock } = deps;
  return {
    async create({ name, grants, consumer = null, expires = null }) {
      const key = { name, grants, consumer, expires: expiryMs(expires) };
      const created = await createKey(deps, key, recordKeyCreation(actor, key, clock.now()));
      return issuedKeyJson(created, { subject: name, grants }, clock.now());
    },
    async *list() {
      for (let cursor = ""; ;) {
        const page = await listKeys(database, { cursor, limit: PAGE_KEYS });
        yield* page.map((key) => keyJson(key, clock.now()));
        cursor = page.at(-1)?.id ?? "";
        if (page.length < PAGE_KEYS) return;
      }
    },
    async get(id) {
      const key = await findKey(database, id);
      if (key === null) throw keyNotFound(id);
      return keyJson(key, clock.now());
    },
    async rotate(id, { overlapSeconds, expires } = {}) {
      const options = {
        overlapMs: overlapSeconds === undefined ? DAY_MS : overlapSeconds * 1_000,
        ...(expires === undefined ? {} : { expires: expiryMs(expires) }),
      };
      const rotated = await rotateKey(deps, id, options, recordKeyRotation(actor, clock.now()));
      return issuedKeyJson(rotated, { subject: id, grants: [] }, clock.now());
    },
    async revoke(id) {
      const revoked = await revokeKey(deps, id, recordKeyRevocation(actor, clock.now()));
      return revokedKeyJson(revoked, id, clock.now());
    },
  };
}

function keysDeps(context: CliContext, database: Database, { limits }: Settings): KeysDeps {
  const { clock } = context;
  return {
    database,
    writer: { write: (statements) => writeBatch(database, clock, statements) },
    clock,
    digest: nodeDigest,
    mostKeys: limits.keys,
    consumerBytes: limits.streamNameBytes,
  };
}

/** Calls `use` with the dependencies of keys in the database of the settings. */
export async function withKeysDeps<Result>(
  context: CliContext,
  flags: KeysFlags,
  kind: KeysUse,
  use: (deps: KeysDeps) => Promise<Result>,
): Promise<Result> {
  const settings = await loadSettings({ ...context, flags });
  const meant = meantDatabase(settings, flags);
  const file = databaseFile(meant.databaseUrl);
  if (meant.databaseUrl === ":memory:") {
    const remedy = "State --url with the address of the server, and a token with the grant admin.";
    throw new CliError(EXIT.usage, "The database :memory: exists only within its server", remedy);
  }
  if (file !== null && kind !== "create") requireExisting(resolve(context.cwd, file));
  if (kind === "read")
    return withReadOnlyDatabase(meant, context.cwd, (database) => use(keysDeps(context, database, settings)));
  const [created] = missingFiles([meant], context.cwd);
  return withDatabase(meant, context.cwd, async (database) => {
    await migrate(database);
    if (created !== undefined) await context.stderr.write(`Created a new database at ${created}\n`);
    return use(keysDeps(context, database, settings));
  });
}

/** Calls `use` with the keys of the server that `--url` names, or else with those in the database of the settings. */
export function withKeys<Result>(
  context: CliContext,
  flags: KeysFlags,
  kind: KeysUse,
  use: (keys: ApiKeys) => Promise<Result>,
): Promise<Result> {
  const actor = { by: null, reason: flags.reason ?? null };
  if (flags.url === undefined) return withKeysDeps(context, flags, kind, (deps) => use(keysOf(deps, actor)));
  return withServer(context, flags, ({ client }) => use(client.keys));
}
