import type { Statement } from "../storage/database.ts";
import {
  appendBeside,
  type BesideCondition,
  type EventBeside,
  eventsBeside,
  type EventsBeside,
} from "../log/append/append-beside.ts";
import type { EntryData, EntryType } from "./catalog.ts";
import { OPERATIONS_PATH } from "./operations-log.ts";

/** An entry of the log of administration: the path of a resource, the type of its change, and the data. */
export type OperationsEntry = EventBeside & readonly [subject: string, type: EntryType, data: object];

/** Makes an entry. */
export function entry<Type extends EntryType>(
  subject: string,
  type: Type,
  data: EntryData<Type>,
): OperationsEntry {
  return [subject, type, data];
}

/**
 * Statements of a batch that record entries. With the condition `changed` they go right after the statement that makes
 * the change. `now`: RFC 3339, UTC, milliseconds.
 */
export function recordEntries(
  entries: readonly OperationsEntry[] | EventsBeside,
  now: string,
  condition: BesideCondition,
): Statement[] {
  const events = "sql" in entries ? entries : eventsBeside(entries);
  return appendBeside(OPERATIONS_PATH, events, { now, condition });
}
