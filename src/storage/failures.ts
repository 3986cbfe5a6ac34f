import { KildeError } from "../core/errors.ts";

/**
 * The meaning of a failed write or read. `conflict`: a unique index, the epoch of a feed, the identity of a log, an erased
 * source event, or a key that is not as expected refused an outdated plan, so nothing was written. After a restore a
 * subject of the plan may be missing altogether. `malformed`: the file is damaged, and only a backup helps. `unknown`: the
 * write may or may not have happened.
 */
export type StorageFailure =
  | "conflict"
  | "busy"
  | "full"
  | "read-only"
  | "not-a-database"
  | "malformed"
  | "unknown";

/** Code of a write that was not run, because an earlier write that it depended on had failed. */
export const OUTRUN = "KILDE_OUTRUN";

/** Code of a plan that was made on another identity than the log has now. */
const RENEWED = "KILDE_RENEWED";

/** The failure of an operation on another identity than the log has now. `name`: the log's path. */
export function renewedError(name: string): Error {
  return Object.assign(new Error(`${name} has another identity`), { code: RENEWED });
}

/** Whether a write was refused because the log has another identity than the plan was made on. */
export function isRenewed(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return codeOf(error).includes(RENEWED) || error.message.includes("NOT NULL constraint failed: logs.head");
}

/** Code of a request to a libSQL server that had no answer, or an unreadable one. */
export const UNANSWERED = "KILDE_UNANSWERED";

/** Whether a libSQL server was unreachable, or did not answer completely and in time. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && codeOf(error).includes(UNANSWERED);
}

function codeOf(error: Error): string {
  const { code, extendedCode } = error as { code?: unknown; extendedCode?: unknown };
  return `${typeof code === "string" ? code : ""} ${typeof extendedCode === "string" ? extendedCode : ""}`;
}

/**
 * Classifies by code and by text: an sqld replica and an embedded replica report a unique violation under codes of
 * their own, but all of them keep SQLite's text.
 */
export function storageFailure(error: unknown): StorageFailure {
  if (!(error instanceof Error)) return "unknown";
  const code = codeOf(error);
  const text = error.message;
  if (code.includes(OUTRUN) || isRenewed(error)) return "conflict";
  if (
    /NOT NULL constraint failed: (access_state\.revision|feeds\.(epoch|hydrations|promised)|events\.subject|feed_origins\.(subject|source))/.test(
      text,
    )
  )
    return "conflict";
  if (text.includes("UNIQUE constraint failed") || code.includes("SQLITE_CONSTRAINT_UNIQUE"))
    return "conflict";
  if (code.includes("SQLITE_CONSTRAINT") && !/NOT NULL|FOREIGN KEY|CHECK/.test(text)) return "conflict";
  if (code.includes("SQLITE_BUSY") || text.includes("database is locked")) return "busy";
  if (code.includes("SQLITE_FULL") || text.includes("disk is full") || text.includes("ENOSPC")) return "full";
  if (code.includes("SQLITE_READONLY") || text.includes("readonly database")) return "read-only";
  if (code.includes("SQLITE_NOTADB") || text.includes("not a database")) return "not-a-database";
  if (code.includes("SQLITE_CORRUPT") || text.includes("malformed")) return "malformed";
  return "unknown";
}

/** Whether an answer exceeded the limits of a libSQL server: about 5 MB a value, or 10 MB in all. */
export function isTooLarge(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /RESPONSE_TOO_LARGE|SQLITE_TOOBIG/.test(codeOf(error)) || /too large|too big/.test(error.message);
}

/** The error that a caller of the log receives when storage failed. */
export function storageError(error: unknown): KildeError {
  if (error instanceof KildeError) return error;
  const cause = { cause: error };
  const text = error instanceof Error ? error.message : String(error);
  switch (storageFailure(error)) {
    case "full":
      return new KildeError("storage-full", `The database could not grow: ${text}`, {}, cause);
    case "read-only":
      return new KildeError("storage-unavailable", `The database is read-only: ${text}`, {}, cause);
    case "busy":
      return new KildeError("storage-unavailable", `Another process holds the database: ${text}`, {}, cause);
    case "not-a-database":
      return new KildeError("storage-unavailable", `The file is not a database: ${text}`, {}, cause);
    case "malformed":
      return new KildeError("storage-unavailable", `The database file is damaged: ${text}`, {}, cause);
    case "conflict":
    case "unknown":
      return new KildeError(
        "storage-unavailable",
        `The database did not answer as it should: ${text}`,
        {},
        cause,
      );
  }
}

/** The error of an append that was given up, because other processes committed first again and again. */
export function outrunError(attempts: number, cause: unknown): KildeError {
  const detail = `Other processes that write the same streams were faster ${attempts} times in a row`;
  return new KildeError("overloaded", detail, {}, { cause });
}
