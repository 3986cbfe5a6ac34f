import type { Statement } from "../storage/database.ts";
import { type Actor, authorship } from "./actor.ts";
import { type OperationsEntry, entry, recordEntries } from "./entry.ts";

/** A key that is created, as its entry shows it. */
export interface CreatedKey {
  readonly name: string;
  readonly grants: readonly string[];
  readonly consumer: string | null;
}

/** The batch that changes a key fails as a whole if the key is not changed. */
function record(recorded: OperationsEntry, nowMs: number): Statement[] {
  return recordEntries([recorded], new Date(nowMs).toISOString(), "always");
}

const pathOf = (id: string) => `/keys/${id}`;

/** Statements of the batch that creates a key: record it. */
export function recordKeyCreation(
  actor: Actor,
  { name, grants, consumer }: CreatedKey,
  nowMs: number,
): (key: { readonly id: string }) => Statement[] {
  return ({ id }) =>
    record(
      entry(pathOf(id), "kilde.key.created", { ...authorship(actor), name, grants: [...grants], consumer }),
      nowMs,
    );
}

/** Statements of the batch that replaces a key: record it. */
export function recordKeyRotation(
  actor: Actor,
  nowMs: number,
): (key: { readonly id: string; readonly name: string; readonly successor: string | null }) => Statement[] {
  return ({ id, name, successor }) =>
    record(
      entry(pathOf(id), "kilde.key.rotated", { ...authorship(actor), name, successor: successor ?? "" }),
      nowMs,
    );
}

/** Statements of the batch that revokes a key: record it. */
export function recordKeyRevocation(
  actor: Actor,
  nowMs: number,
): (key: { readonly id: string; readonly name: string }) => Statement[] {
  return ({ id, name }) =>
    record(entry(pathOf(id), "kilde.key.revoked", { ...authorship(actor), name }), nowMs);
}
