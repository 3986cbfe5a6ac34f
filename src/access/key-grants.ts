import { groupBy } from "../core/group-by.ts";
import type { Clock } from "../core/clock.ts";
import type { Database } from "../storage/database.ts";
import { type KnownKeys, readKnownKeys } from "./known-keys.ts";
import { type AccessNeed, covers } from "./need.ts";
import type { Principal } from "./principal.ts";

/** Knowledge of keys that is older is checked against the database before it is used. */
const FRESH_MS = 1_000;

/** The grants of keys by name, for work that outlasts the request that began it. It costs nothing until it is asked. */
export interface KeyGrants {
  /**
   * Whether a valid key of the name covers the need: true as of a second ago at most, false as of now. Rejects when
   * storage fails.
   */
  allow(name: string, need: AccessNeed): Promise<boolean>;
}

type PrincipalsByName = ReadonlyMap<string, readonly Principal[]>;

export function createKeyGrants(database: Database, clock: Pick<Clock, "now" | "monotonic">): KeyGrants {
  let known: KnownKeys | null = null;
  let byName: PrincipalsByName = new Map();
  let checkedMs = -Infinity;
  let checking: Promise<void> | null = null;

  const check = async () => {
    const began = clock.monotonic();
    const found = await readKnownKeys(database, known, clock.now());
    if (found !== known)
      byName = groupBy(
        Array.from(found.keys.values(), ({ principal }) => principal),
        ({ name }) => name ?? "",
      );
    known = found;
    checkedMs = began;
  };

  const refresh = () => {
    checking ??= check().finally(() => {
      checking = null;
    });
    return checking;
  };

  const isAllowed = (name: string, need: AccessNeed): boolean => {
    const nowMs = clock.now();
    const principals = byName.get(name) ?? [];
    return principals.some(
      ({ expires, grants }) => (expires === null || expires > nowMs) && covers(grants, need),
    );
  };

  return {
    async allow(name, need) {
      if (clock.monotonic() - checkedMs > FRESH_MS) await refresh();
      if (isAllowed(name, need)) return true;
      // The key may have been created since: a check that began before the question may have missed it.
      await checking?.catch(() => {});
      await refresh();
      return isAllowed(name, need);
    },
  };
}
