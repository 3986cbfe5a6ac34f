import type { LogAddress } from "../../log/keys.ts";
import type { Statement } from "../../storage/database.ts";

/** Arguments: log id, path of the log, now, name (null: all names). */
export const RESTART_SILENCE = `
update objectives set since = max(since, ?3) where kind = 'consumer' and coalesce(log, ?2) = ?2
  and name in (select name from consumers where log = ?1 and (?4 is null or name = ?4))`;

/**
 * Goes before a statement that deletes consumers of a log: their silence counts from now on, since nothing else remembers
 * when they last read. `name`: only of this consumer. `now`: RFC 3339.
 */
export function restartSilence(
  { id, name: path }: LogAddress,
  now: string,
  name: string | null = null,
): Statement {
  return { sql: RESTART_SILENCE, args: [id, path, now, name] };
}
