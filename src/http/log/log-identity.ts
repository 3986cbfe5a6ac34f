import { type Cursor, isIdentity } from "../../core/cursor.ts";
import { KildeError } from "../../core/errors.ts";
import { findParting, type Parting } from "../../log/identity.ts";
import type { LogState } from "../../log/log-state.ts";
import { withinOneHistory } from "../../log/read/one-history.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";

/**
 * A restore changes the events at a log's positions. Answers about a log name its identity, and Kilde refuses
 * requests that name another one.
 */

/** In answers: the identity of the log. In writes: the identity that the client decided on. */
export const LOG_HEADER = "Kilde-Log";

/** Returns the header with the identity of the log. */
export function logHeaders(identity: string): Record<string, string> {
  return identity === "" ? {} : { [LOG_HEADER]: identity };
}

/** Returns the entity tag of a stream: its version, and the log identity of that version. */
export function streamTag(version: number, identity: string): string {
  return `"${version}-${identity}"`;
}

/** Runs a read until all of it comes from one identity of the log, and returns that identity with it. */
export async function withIdentity<Found>(
  log: LogReader,
  read: () => Promise<Found>,
): Promise<{ readonly found: Found; readonly identity: string }> {
  return withinOneHistory(log.name, async () => {
    const { identity } = await log.state();
    const found = await read();
    return (await log.state()).identity === identity ? { found, identity } : null;
  });
}

/** Returns the identity that a request states; undefined: none. */
export function statedIdentity(headers: Headers): string | undefined {
  const text = headers.get(LOG_HEADER);
  if (text === null) return undefined;
  if (isIdentity(text)) return text;
  const detail = "must be the identity of a log: 16 hexadecimal digits in lower case";
  throw new KildeError("invalid-parameter", `${LOG_HEADER}: ${detail}`, {
    errors: [{ parameter: LOG_HEADER, detail }],
  });
}

function restoredError(name: string, stated: string, { identity, head, parted }: Parting): KildeError {
  const where =
    parted === null ? "That history is not known here" : `Both hold the same events up to position ${parted}`;
  const detail = `${stated} is of an earlier history of ${name}, which now has the identity ${identity}. ${where}`;
  return new KildeError("log-restored", detail, { log: identity, parted, head });
}

/** Returns the error for a write that the client decided on another identity of the log. */
export async function restoredWrite(
  { database, reader }: Pick<AppDeps, "database" | "reader">,
  stated: string,
): Promise<KildeError> {
  const { address } = reader;
  return restoredError(address.name, stated, await findParting(database, address, stated));
}

/**
 * Validates a cursor against the log as it was read (`state`). Returns false when the log got another identity since,
 * so that the caller must read again. Throws `log-restored` for a cursor beyond which the log holds other events. A
 * cursor of a former identity is valid up to the position where the histories part. A bare cursor cannot be checked.
 */
export async function isCursorOf(
  { database }: Pick<AppDeps, "database">,
  log: LogReader,
  cursor: Cursor | undefined,
  state: LogState,
): Promise<boolean> {
  if (cursor === undefined || cursor.position === 0) return true;
  const { identity, position } = cursor;
  if (identity === null || identity === state.identity) return true;
  const parting = await findParting(database, log.address, identity);
  if (parting.identity !== state.identity) {
    if (!log.replica) return false;
    // A replica may lag behind the restore, so it must not decide.
    const detail = `The replica still has ${log.name} as it was before a restore`;
    throw new KildeError("replica-behind", detail, { head: state.head });
  }
  if (parting.parted !== null && position <= parting.parted) return true;
  throw restoredError(log.name, `The cursor ${position}-${identity}`, parting);
}

/** Reads the state of the log, and validates a cursor as {@link isCursorOf} does. */
export async function requireCursorOf(
  deps: Pick<AppDeps, "database">,
  log: LogReader,
  cursor: Cursor | undefined,
): Promise<LogState> {
  return withinOneHistory(log.name, async () => {
    const state = await log.state();
    return (await isCursorOf(deps, log, cursor, state)) ? state : null;
  });
}
