import type { Statement } from "../storage/database.ts";

/** Part of a batch: creates the log of a path, unless it exists. A trigger gives it its identity. */
export function createLog(path: string): Statement {
  return { sql: "insert into logs (name) values (?1) on conflict do nothing", args: [path] };
}
