import { cursorText } from "../core/cursor.ts";
import { KildeError } from "../core/errors.ts";
import { logPath, queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";
import type { HistoryOptions, LogHistory } from "./types.ts";

/** Fetches the identity and head of a log, and the last position that it has in common with a former history. */
export async function readHistory(
  deps: RequestDeps,
  { feed, identity }: HistoryOptions,
): Promise<LogHistory> {
  // No log has this position, so the server answers with the position at which the histories part.
  const lastEventId = identity === undefined ? undefined : cursorText(Number.MAX_SAFE_INTEGER, identity);
  const path = `${logPath(feed)}${queryString({ limit: 1, direction: "backwards" })}`;
  if (lastEventId !== undefined) {
    const parting = await findParting(deps, `${logPath(feed)}${queryString({ limit: 1, lastEventId })}`);
    if (parting !== null) return parting;
  }
  return send(deps, path, { method: "HEAD" }, async ({ headers }) => {
    const head = Number(headers.get("kilde-head"));
    const now = headers.get("kilde-log");
    return { identity: now, head, parted: now !== null && now === identity ? head : null };
  });
}

/** Finds the position at which a cursor's history parted from the log's; null: it is the log's own history. */
async function findParting(deps: RequestDeps, path: string): Promise<LogHistory | null> {
  try {
    await send(deps, path, {}, (answer) => answer.text());
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    const { log = null, parted = null, head = 0 } = error.members;
    if (error.code === "log-restored") return { identity: log, head, parted };
    if (error.code !== "cursor-beyond-head") throw error;
  }
  return null;
}
