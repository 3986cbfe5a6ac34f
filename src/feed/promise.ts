import type { Database } from "../log/database.ts";
import { textAt } from "../log/database.ts";
import type { LogAddress } from "../log/keys.ts";
import { type BreakingChange, breakingChanges, breakingChangeText } from "./compatibility.ts";
import type { Feed } from "./feed.ts";

/** A published contract was changed in a way that its consumers may not survive. */
export class BrokenPromiseError extends Error {
  override readonly name = "BrokenPromiseError";
  readonly changes: readonly BreakingChange[];

  constructor({ path, version }: Feed, changes: readonly BreakingChange[]) {
    const lines = changes.map((change) => `\n  ${breakingChangeText(change)}`).join("");
    super(
      `The contract of ${path} is published, and may only grow:${lines}\n` +
        `Take the change back, or make it in a new version, such as ${version + 1}, beside this one.`,
    );
    this.changes = changes;
  }
}

/** JSON of the JSON Schemas that consumers of a feed may rely on: those of a draft are none. */
export function promisedBy({ draft, schemas }: Feed): string {
  return JSON.stringify(draft ? {} : schemas);
}

export const SELECT_PROMISE = "select schemas from feeds where log = ?1";

/**
 * Compares the contract of a registered feed with what was promised before, and keeps it as the promise from now
 * on. Throws a {@link BrokenPromiseError} unless the change is additive.
 */
export async function keepPromise(database: Database, feed: Feed, log: LogAddress): Promise<void> {
  const [row] = await database.read({ sql: SELECT_PROMISE, args: [log.id] });
  if (row === undefined) return;
  const before = textAt(row, 0);
  const now = promisedBy(feed);
  if (before === now) return;
  const changes = breakingChanges(
    JSON.parse(before) as Record<string, unknown>,
    JSON.parse(now) as Record<string, unknown>,
  );
  if (changes.length > 0) throw new BrokenPromiseError(feed, changes);
  await database.write([
    // Another process may have been here first: what it promised is compared at the next start.
    { sql: "update feeds set schemas = ?2 where log = ?1 and schemas = ?3", args: [log.id, now, before] },
  ]);
}
