import type { SubjectState } from "./placement.ts";
import type { AppendPart, Transaction } from "./plan.ts";

/*
 * What a group may assume of the subjects that are not in the cache, so that nothing is read before the commit: in a large
 * store such a read costs this thread more than all other work of an append, since each commit of another connection
 * empties the page cache of the connection that reads. The batch proves an assumption, or is refused as a conflict.
 */

/** Events of one part that the batch may place on an assumption: it looks the version up for each. */
const MOST_EVENTS = 8;

/** Groups for which everything is read after an assumption has failed, so that failures cost little in total. */
export const GROUPS_TO_READ = 64;

export const ABSENT: SubjectState = { stored: false, id: null, version: 0, erased: false };

/** The version that an unread subject is assumed to have, by name; null: any, or the subject does not exist. */
export type AssumedVersions = ReadonlyMap<string, number | null>;

/** The version that a part, the first of its subject, assumes; undefined: the subject has to be read. */
function assumedVersion({ expectedVersion, events, erases }: AppendPart): number | null | undefined {
  if (erases || events.length === 0 || events.length > MOST_EVENTS || expectedVersion === "exists")
    return undefined;
  return expectedVersion === "any" ? null : expectedVersion;
}

/** Separates the subjects that are missing in the cache into those that can be assumed and those that have to be read. */
export function assumeVersions(
  transactions: readonly Transaction[],
  missing: ReadonlySet<string>,
): { readonly assumed: AssumedVersions; readonly toRead: ReadonlySet<string> } {
  const assumed = new Map<string, number | null>();
  const toRead = new Set<string>();
  for (const { parts } of transactions) {
    for (const part of parts) {
      if (!missing.has(part.subject)) continue;
      const version = assumedVersion(part);
      const earlier = assumed.get(part.subject);
      // After an append at any version, the plan cannot compare a stated one.
      if (version === undefined || (earlier === null && version !== null)) toRead.add(part.subject);
      else if (earlier === undefined) assumed.set(part.subject, version);
    }
  }
  for (const name of toRead) assumed.delete(name);
  return { assumed, toRead };
}

/** The state to plan on; undefined: the subject is not assumed. */
export function assumedState(assumed: AssumedVersions, name: string): SubjectState | undefined {
  const version = assumed.get(name);
  if (version === undefined) return undefined;
  return version === 0 ? ABSENT : { stored: true, id: null, version: version ?? 0, erased: false };
}
