import { type Database, textAt } from "../../storage/database.ts";

/** A text that differs after each change of a subscription's configuration, state or progress. */
export interface SubscriptionMark {
  readonly id: string;
  /** Path of its log. */
  readonly source: string;
  readonly subjectPrefix: string;
  readonly mark: string;
}

/** Subscriptions that one query reads. */
const PAGE = 1_000;

/** Arguments: ids after, limit. The tally changes with each subject that is blocked or healed. */
export const SELECT_MARKS = `
select subscription.id, log.name, coalesce(subscription.config ->> '$.filter.subjectPrefix', ''),
  subscription.revision || ' ' || subscription.epoch || ' ' || subscription.status || ' ' || subscription.since || ' '
  || subscription.cursor || ' ' || coalesce(subscription.trouble, '') || ' ' || coalesce(subscription.rewind, '') || ' '
  || coalesce(subscription.tally, '')
from subscriptions as subscription cross join logs as log on log.id = subscription.log
where subscription.id > ?1 order by subscription.id limit ?2`;

/** Reads the marks of all subscriptions, in order of id. */
export async function readSubscriptionMarks(database: Database): Promise<readonly SubscriptionMark[]> {
  const marks: SubscriptionMark[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const rows = await database.read({ sql: SELECT_MARKS, args: [cursor, PAGE] });
    for (const row of rows) {
      const [id, source, subjectPrefix, mark] = [
        textAt(row, 0),
        textAt(row, 1),
        textAt(row, 2),
        textAt(row, 3),
      ];
      marks.push({ id, source, subjectPrefix, mark });
    }
    cursor = rows.length < PAGE ? undefined : marks.at(-1)?.id;
  }
  return marks;
}
