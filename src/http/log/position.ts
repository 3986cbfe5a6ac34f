import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { readHead } from "../../log/read/subjects.ts";
import type { AppDeps } from "../deps.ts";

/**
 * A replica may answer reads, and lacks the latest writes. A client must not miss events that it knows of, so it
 * sends their position.
 */

/**
 * In the answer to an append: the position that a read of the event log must reach to include the append. In a read:
 * a position in that log that the client knows; the answer includes it.
 */
export const POSITION_HEADER = "Kilde-Position";

/** Returns the position that a read states; 0: none. */
export function shownPosition(c: Context): number {
  const text = c.req.raw.headers.get(POSITION_HEADER);
  if (text === null) return 0;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const detail = "must be a position in the log that is read";
  throw new KildeError("invalid-parameter", `${POSITION_HEADER}: ${detail}`, {
    errors: [{ parameter: POSITION_HEADER, detail }],
  });
}

/** Returns the last position of a log, from the primary. Throws a KildeError when a position is beyond it. */
export async function headBeyond({ database }: AppDeps, log: LogReader, position: number): Promise<number> {
  const head = await readHead(database, log.address);
  if (position <= head) return head;
  const detail = `Position ${position} was asked for, but the last event of ${log.name} is ${head}`;
  throw new KildeError("cursor-beyond-head", detail, { head });
}

/**
 * Resolves when reads of a log include a position. Throws a KildeError when the log has no such position, or when the
 * replica does not reach it within the limit.
 */
export async function awaitPosition(
  deps: AppDeps,
  log: LogReader,
  position: number,
  gone: AbortSignal,
): Promise<void> {
  if (position <= log.knownHead() || position <= (await log.head())) return;
  await headBeyond(deps, log, position);
  const { clock, closing, limits } = deps;
  const over = new AbortController();
  const end = () => over.abort();
  if (gone.aborted || closing.aborted) end();
  for (const signal of [gone, closing]) signal.addEventListener("abort", end);
  void clock.sleep(limits.replicaWaitMs, over.signal).then(end);
  const head = await log.reached(position, over.signal);
  end();
  for (const signal of [gone, closing]) signal.removeEventListener("abort", end);
  if (head >= position) return;
  const detail = `The replica has ${log.name} up to ${head}, and not up to ${position} within ${limits.replicaWaitMs} ms`;
  throw new KildeError("replica-behind", detail, { position, head });
}
