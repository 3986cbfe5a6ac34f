import type { Statement } from "../../storage/database.ts";

/** Id, head, identity and former identities of every log; each former identity ends with a comma. */
export const SELECT_HEADS: Statement = {
  sql: `select id, head, identity,
    coalesce((select group_concat(identity || ',', '') from log_lineage where log = logs.id), '') from logs`,
  args: [],
};
