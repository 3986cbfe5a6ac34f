import type { Statement } from "../../storage/database.ts";
import { FORGET_LAG_OF_LOG } from "../consumers/lag-history.ts";
import type { LogAddress } from "../keys.ts";

/*
 * Deleting everything that a log holds, in small steps; feeds do it (`feeds/lifecycle/clear.ts`). The row of the log stays,
 * so that its path and its positions are never used again.
 */

/** Arguments: first key, last key, count. Returns a row for each event. */
export const CLEAR_EVENTS = `
delete from events where key in (select key from events where key >= ?1 and key <= ?2 order by key limit ?3) returning 1`;

/** SQL: ids of the first subjects of a log. Arguments: 1 log id, 2 count. */
export const FIRST_SUBJECTS = "select id from subjects where log = ?1 order by name limit ?2";

/** Arguments: log id, count. Returns a row for each subject. */
export const CLEAR_SUBJECTS = `delete from subjects where id in (${FIRST_SUBJECTS}) returning 1`;

/**
 * Part of a batch: deletes the erased ranges of a log, so that no feed that is projected from it applies them. `condition`:
 * SQL in which `?1` is the log id.
 */
export function forgetErasedRanges({ id }: LogAddress, condition = "true"): Statement {
  return { sql: `delete from erased_ranges where log = ?1 and ${condition}`, args: [id] };
}

/** Part of a batch: deletes the stored consumers and erasures of a log. */
export function forgetReadersAndErasures(log: LogAddress): Statement[] {
  return [
    { sql: "delete from consumers where log = ?1", args: [log.id] },
    { sql: FORGET_LAG_OF_LOG, args: [log.id] },
    { sql: "delete from erasures where log = ?1", args: [log.id] },
    { sql: "delete from erasure_generations where log = ?1", args: [log.id] },
    forgetErasedRanges(log),
  ];
}
