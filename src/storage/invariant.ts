/** A rule that every database obeys, whatever was done to it through Kilde. */
export interface Invariant {
  readonly name: string;
  /**
   * Selects a text for each violation, as `detail`. With `over`, only of the rows whose key (events) or id (subjects) is
   * at least `?1` and below `?2`, so that a large table is read in parts.
   */
  readonly sql: string;
  readonly over?: "events" | "subjects";
  /** What to do about a violation. */
  readonly remedy: string;
  /** Statements that remove violations and lose nothing; absent where only a backup helps. */
  readonly repair?: readonly string[];
}

export const RESTORE = "Restore the last good backup with `kilde restore`.";
export const REPAIR =
  "Run `kilde doctor --repair`; if the fault stays, restore the last good backup with `kilde restore`.";

/** Holds for texts that no name may be: empty, a path segment of dots, or with control characters. */
export function isUnusableName(column: string): string {
  return `(typeof(${column}) <> 'text' or ${column} in ('', '.', '..') or instr(cast(${column} as blob), x'00') > 0
    or ${column} glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')`;
}

/** Holds for what is not JSON text; NULL is left to the schema. */
export function isNotJson(column: string): string {
  return `(${column} is not null and (typeof(${column}) <> 'text' or json_valid(${column}) = 0))`;
}

/** Holds for what is not JSON text of this type. */
export function isNotJsonOf(type: "object" | "array", column: string): string {
  return `(case when ${column} is null then 0 when ${isNotJson(column)} then 1 else json_type(${column}) <> '${type}' end)`;
}

const DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";

/** Holds for what is not a time as Kilde writes it: `2026-01-31T12:00:00.000Z`. SQLite takes the 31st of any month. */
export function isNotOwnTime(column: string): string {
  return `(${column} is not null and (length(${column}) <> 24 or ${column} not glob '????-??-??T??:??:??.???Z'
    or julianday(${column}) is null or (substr(${column}, 9, 2) > '28' and date(${column}) is not substr(${column}, 1, 10))))`;
}

/** Holds for what is not a time as RFC 3339 writes it, with any offset. SQLite itself knows offsets up to 14 hours only. */
export function isNotTime(column: string): string {
  const local = `substr(${column}, 1, length(${column}) - iif(${column} glob '*Z', 1, 6))`;
  return `(${column} is not null and (${column} not glob '${DAY}T[0-9][0-9]:[0-9][0-9]*'
    or not (${column} glob '*Z' or ${column} glob '*[-+][0-2][0-9]:[0-5][0-9]')
    or julianday(${local}) is null or date(substr(${column}, 1, 10)) is not substr(${column}, 1, 10)))`;
}
