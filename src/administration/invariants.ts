import { addLog } from "../log/invariants/log-names.ts";
import { type Invariant, REPAIR } from "../storage/invariant.ts";
import { OPERATIONS_PATH } from "./operations-log.ts";

/** Migrations of a database that has no log of administration yet. */
const EARLIER_MIGRATIONS = 16;

/** The rule of the log of administration; those of all logs hold for it as well. */
export const ADMINISTRATION_INVARIANTS: readonly Invariant[] = [
  {
    name: "the log of administration exists",
    remedy: REPAIR,
    sql: `select '${OPERATIONS_PATH} is not there' as detail
      where (select count(*) from __drizzle_migrations) > ${EARLIER_MIGRATIONS}
        and not exists (select 1 from logs where name = '${OPERATIONS_PATH}')`,
    repair: [addLog(OPERATIONS_PATH)],
  },
];
