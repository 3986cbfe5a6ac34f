import type { Admit, ConsumerDeps } from "./deps.ts";
import type { ConsumerStore, SubjectCursor } from "./store.ts";

function byName(cursors: readonly SubjectCursor[]): Map<string, SubjectCursor> {
  return new Map(cursors.map((cursor) => [cursor.subject, cursor]));
}

/** The old version handles the subjects that it has not released and that did not start with the new version. */
export function admitOld<Tx>(store: ConsumerStore<Tx>, newKey: string): Admit<Tx> {
  return async (tx, names, cursors) => {
    const unknown = names.filter((name) => !cursors.has(name));
    const taken = unknown.length === 0 ? new Map() : byName(await store.lock(tx, newKey, unknown));
    return new Set(names.filter((name) => cursors.get(name)?.status !== "released" && !taken.has(name)));
  };
}

/** The new version handles the subjects that were switched to it, and those without a cursor of the old version. */
export function admitNew<Tx>(store: ConsumerStore<Tx>, oldKey: string): Admit<Tx> {
  return async (tx, names, cursors) => {
    const unknown = names.filter((name) => !cursors.has(name));
    const others = unknown.length === 0 ? new Map() : byName(await store.lock(tx, oldKey, unknown));
    return new Set(
      names.filter((name) => cursors.has(name) || (others.get(name)?.status ?? "released") === "released"),
    );
  };
}

/** Selects the subjects that the other version does not have, according to the store. */
export function notOf<Tx>(store: ConsumerStore<Tx>, otherKey: string): ConsumerDeps<Tx>["concerns"] {
  return async (names) => {
    const others = byName(await store.readSubjects(otherKey, names));
    return new Set(names.filter((name) => (others.get(name)?.status ?? "released") === "released"));
  };
}
