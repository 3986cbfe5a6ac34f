/** A rule that every database obeys, whatever operations Kilde has performed on it. */
export interface Invariant {
  readonly name: string;
  /**
   * Selects a text for each violation, as `detail`. With `over`, only for rows whose key (events) or id (subjects) is
   * at least `?1` and below `?2`, so that a large table is read in parts.
   */
  readonly sql: string;
  readonly over?: "events" | "subjects";
  /** Instructions for the operator. */
  readonly remedy: string;
  /** Statements that remove violations without losing data; absent where only a backup helps. */
  readonly repair?: readonly string[];
}

export const RESTORE = "Restore the last good backup with `kilde restore`.";
export const REPAIR =
  "Run `kilde doctor --repair`; if the fault stays, restore the last good backup with `kilde restore`.";

/** SQL condition for a text that is not a valid name: empty, a path segment of dots, or with control characters. */
export function isUnusableName(column: string): string {
  return `(typeof(${column}) <> 'text' or ${column} in ('', '.', '..') or instr(cast(${column} as blob), x'00') > 0
    or ${column} glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')`;
}

/** SQL condition for a text that is not JSON; the schema governs NULL. */
export function isNotJson(column: string): string {
  return `(${column} is not null and (typeof(${column}) <> 'text' or json_valid(${column}) = 0))`;
}

/** SQL condition for a text that is not JSON of this type. */
export function isNotJsonOf(type: "object" | "array", column: string): string {
  return `(case when ${column} is null then 0 when ${isNotJson(column)} then 1 else json_type(${column}) <> '${type}' end)`;
}

const DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";

/**
 * SQL condition for a text that is not a time in Kilde's form, `2026-01-31T12:00:00.000Z`. SQLite accepts day 31 of any
 * month.
 */
export function isNotOwnTime(column: string): string {
  return `(${column} is not null and (length(${column}) <> 24 or ${column} not glob '????-??-??T??:??:??.???Z'
    or julianday(${column}) is null or (substr(${column}, 9, 2) > '28' and date(${column}) is not substr(${column}, 1, 10))))`;
}

/**
 * SQL condition for a text that is not an RFC 3339 time, with any offset. SQLite accepts offsets up to 14 hours only.
 */
export function isNotTime(column: string): string {
  const local = `substr(${column}, 1, length(${column}) - iif(${column} glob '*Z', 1, 6))`;
  return `(${column} is not null and (${column} not glob '${DAY}T[0-9][0-9]:[0-9][0-9]*'
    or not (${column} glob '*Z' or ${column} glob '*[-+][0-2][0-9]:[0-5][0-9]')
    or julianday(${local}) is null or date(substr(${column}, 1, 10)) is not substr(${column}, 1, 10)))`;
}
