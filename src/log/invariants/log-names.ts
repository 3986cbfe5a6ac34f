/** SQL: adds the log of a path. A trigger gives it its identity. */
export function addLog(path: string): string {
  return `insert into logs (name) values ('${path}') on conflict do nothing`;
}

/** SQL: gives logs the paths that a query has for them, in its columns `log` and `path`. */
export function renameLogs(paths: string): string {
  return `update logs set name = wanted.path from (${paths}) as wanted
    where wanted.log = logs.id and logs.name <> wanted.path`;
}
