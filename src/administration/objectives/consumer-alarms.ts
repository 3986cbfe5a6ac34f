import { type Database, integerAt, textAt, textOrNullAt } from "../../storage/database.ts";
import { type Measure, MEASURES } from "./alarm-state.ts";

/** Whether the alarms of a consumer are open: it misses its objective. Null: its objective has no such limit. */
export interface ConsumerAlarms {
  readonly late: boolean | null;
  readonly silent: boolean | null;
}

/** Returns the alarms of a consumer, by the path of its log and its name. */
export type AlarmsOfConsumer = (log: string, name: string) => ConsumerAlarms;

const NO_OBJECTIVE: ConsumerAlarms = { late: null, silent: null };

const SELECT_ALARMS = `
select objective.name, objective.log, objective.lag is not null, objective.silent is not null,
  (select json_group_array(json_array(state.measure, state.resource)) from objective_states as state
    where state.kind = 'consumer' and state.name = objective.name and state.missed = 1)
from objectives as objective where objective.kind = 'consumer'`;

/** SQL by what it selects: all consumers with an objective; or one. Arguments: none; its name. */
export const SELECT_CONSUMER_ALARMS = { all: SELECT_ALARMS, one: `${SELECT_ALARMS} and objective.name = ?1` };

interface ObjectiveAlarms {
  /** Path of the log that the objective names; null: every log. */
  readonly log: string | null;
  readonly limited: ReadonlySet<Measure>;
  /** The values that exceed their limit, each as `measure resource`. */
  readonly missed: ReadonlySet<string>;
}

/**
 * Reads which alarms of consumers are open. They decide the states of consumers that have an objective, so that each answer
 * agrees with the log of administration. `name`: only of consumers of this name.
 */
export async function readConsumerAlarms(database: Database, name?: string): Promise<AlarmsOfConsumer> {
  const { all, one } = SELECT_CONSUMER_ALARMS;
  const rows = await database.read(name === undefined ? { sql: all, args: [] } : { sql: one, args: [name] });
  const objectives = new Map<string, ObjectiveAlarms>();
  for (const row of rows) {
    // Written as JSON by the query.
    const missed = JSON.parse(textAt(row, 4)) as [measure: string, resource: string][];
    objectives.set(textAt(row, 0), {
      log: textOrNullAt(row, 1),
      limited: new Set(MEASURES.filter((_, index) => integerAt(row, 2 + index) === 1)),
      missed: new Set(missed.map((each) => each.join(" "))),
    });
  }
  return (log, consumer) => {
    const objective = objectives.get(consumer);
    if (objective === undefined || (objective.log ?? log) !== log) return NO_OBJECTIVE;
    const isMissed = (measure: Measure) =>
      objective.limited.has(measure) ? objective.missed.has(`${measure} ${log}/consumers/${consumer}`) : null;
    return { late: isMissed("lag"), silent: isMissed("silent") };
  };
}
