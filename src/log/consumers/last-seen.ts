/** How far the clocks of the processes on a database may differ. A time further ahead comes from a wrong clock. */
const CLOCKS_DIFFER_MS = 60_000;

/** SQL: when a consumer was last seen, after one more read or commit. */
export function lastSeen(activity: string, latest: string): string {
  return `iif(seen > ${latest}, ${activity}, max(seen, ${activity}))`;
}

/** The latest plausible time of activity now, RFC 3339. */
export function latestActivity(nowMs: number): string {
  return new Date(nowMs + CLOCKS_DIFFER_MS).toISOString();
}
