import type { Measurement } from "../../core/objective.ts";
import { type Database, textAt, textOrNullAt } from "../../storage/database.ts";
import { LOG_SPAN } from "../keys.ts";
import { REACHED } from "./consumers.ts";

const COLUMNS = `consumer.name, log.name || '/consumers/' || consumer.name, consumer.seen,
  (select recorded from events where key > log.id * ${LOG_SPAN} + ${REACHED} and key <= log.id * ${LOG_SPAN} + log.head
    order by key limit 1)`;

/**
 * Arguments: JSON of the names, and of `[[path of the log, name], …]`. A name alone stands for the consumers of that name of
 * all logs.
 */
export const MEASURE_CONSUMERS = `
select ${COLUMNS} from json_each(?1) as wanted
cross join consumers as consumer indexed by consumers_name on consumer.name = wanted.value
cross join logs as log on log.id = consumer.log
union all
select ${COLUMNS} from json_each(?2) as wanted
cross join logs as log on log.name = wanted.value ->> 0
cross join consumers as consumer on consumer.log = log.id and consumer.name = wanted.value ->> 1`;

/** Measures consumers by name, in one log each or in all logs (`log` is null). Those that were never seen are missing. */
export async function measureConsumers(
  database: Database,
  consumers: readonly { readonly name: string; readonly log: string | null }[],
): Promise<Measurement[]> {
  const anywhere = consumers.flatMap(({ name, log }) => (log === null ? [name] : []));
  const inLogs = consumers.flatMap(({ name, log }) => (log === null ? [] : [[log, name]]));
  const args = [JSON.stringify(anywhere), JSON.stringify(inLogs)];
  const rows = await database.read({ sql: MEASURE_CONSUMERS, args });
  return rows.map((row) => ({
    name: textAt(row, 0),
    resource: textAt(row, 1),
    active: textAt(row, 2),
    oldest: textOrNullAt(row, 3),
  }));
}
