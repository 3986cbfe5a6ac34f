import { addLog } from "../log/invariants/log-names.ts";
import { type Invariant, isNotOwnTime, REPAIR } from "../storage/invariant.ts";
import { OPERATIONS_PATH } from "./operations-log.ts";

/** Migrations of a database that has no log of administration yet. */
const EARLIER_MIGRATIONS = 16;

const UNREADABLE = `${isNotOwnTime("since")} or typeof(lag) not in ('real', 'null') or typeof(silent) not in ('real', 'null')`;

const BEYOND = `${isNotOwnTime("since")} or missed not in (0, 1)
  or position not between 1 and (select head from logs where name = '${OPERATIONS_PATH}')`;

/** The rules of the log of administration and its objectives; those of all logs hold for it as well. */
export const ADMINISTRATION_INVARIANTS: readonly Invariant[] = [
  {
    name: "the log of administration exists",
    remedy: REPAIR,
    sql: `select '${OPERATIONS_PATH} is not there' as detail
      where (select count(*) from __drizzle_migrations) > ${EARLIER_MIGRATIONS}
        and not exists (select 1 from logs where name = '${OPERATIONS_PATH}')`,
    repair: [addLog(OPERATIONS_PATH)],
  },
  {
    name: "objectives can be read",
    remedy: REPAIR,
    sql: `select 'objective of the ' || kind || ' ' || name || ': its time or its limits cannot be read' as detail from objectives
      where ${UNREADABLE}`,
    // The next start of a process that states it adds it again.
    repair: [`delete from objectives where ${UNREADABLE}`],
  },
  {
    name: "states of objectives are within the log of administration",
    remedy: REPAIR,
    sql: `select 'objective of ' || resource || ': the entry of its state is ' || position as detail from objective_states
      where ${BEYOND}`,
    // A missed objective then has another alarm.
    repair: [`delete from objective_states where ${BEYOND}`],
  },
];
