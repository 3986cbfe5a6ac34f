import type { Statement } from "../storage/database.ts";
import type { EntryType } from "./catalog.ts";
import { recordEntries } from "./entry.ts";

const RESTORED: EntryType = "kilde.log.restored";

const FIND_RESTORED = `(select json_group_array(json_array(name, '${RESTORED}',
    json_object('principal', null, 'identity', identity)))
  from (select name, identity from logs order by id))`;

/** Goes after the statement that gives all logs new identities: records it for each log. */
export function recordRestore(now: string): Statement[] {
  return recordEntries({ sql: FIND_RESTORED, args: [] }, now, "always");
}
