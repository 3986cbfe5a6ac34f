import type { Statement } from "../../storage/database.ts";

/** Arguments: log id, most consumers of a log, name of a consumer that needs a place unless the log has it (null: several). */
export const KEEP_LAST_SEEN = `
update objectives set since = max(since, (select seen from consumers where log = ?1 and consumers.name = objectives.name))
where kind = 'consumer' and (?3 is null or not exists (select 1 from consumers where log = ?1 and name = ?3))
  and (select count(*) from consumers where log = ?1) >= ?2
  and coalesce(log, (select name from logs where id = ?1)) = (select name from logs where id = ?1)
  and name in (select name from consumers where log = ?1)`;

/**
 * Goes before a statement that deletes consumers of a full log to make room for others: the silence of each counts from when
 * it was last seen. `log`: its id. `name`: the consumer that needs a place, unless the log has it.
 */
export function keepLastSeen(log: number, mostConsumers: number, name: string | null = null): Statement {
  return { sql: KEEP_LAST_SEEN, args: [log, mostConsumers, name] };
}
