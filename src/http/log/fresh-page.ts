import type { Context } from "hono";

import type { Cursor } from "../../core/cursor.ts";
import { deferred } from "../../core/deferred.ts";
import type { KildeError } from "../../core/errors.ts";
import { withinOneHistory } from "../../log/read/one-history.ts";
import type { PageAnswer, PageQuery } from "../../log/read/query.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { findSubject } from "../../log/read/subjects.ts";
import type { AppDeps } from "../deps.ts";
import type { HeldAnswer } from "../wire/held-answer.ts";
import { isCursorOf } from "./log-identity.ts";
import type { Representation } from "../wire/negotiate.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { awaitPosition, headBeyond, shownPosition } from "./position.ts";

/** Reads a page, and validates its cursor against the log identity of the same read. */
function readAfter(
  deps: AppDeps,
  log: LogReader,
  cursor: Cursor | undefined,
  read: () => Promise<PageAnswer>,
): Promise<PageAnswer> {
  return withinOneHistory(log.name, async () => {
    const page = await read();
    return (await isCursorOf(deps, log, cursor, page)) ? page : null;
  });
}

/** Reads a page from a state that includes every position that the request shows to know. */
export async function freshPage(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  query: PageQuery,
  cursor: Cursor | undefined,
  { framing }: Representation,
  { admit }: HeldAnswer,
): Promise<PageAnswer> {
  const { subject, lastEventId = 0, direction } = query;
  const { signal } = c.req.raw;
  const read = () => readAfter(deps, log, cursor, () => log.page(query, framing, { signal, admit }));
  const shown = shownPosition(c);
  // Events before the cursor must all be present; after it there may be none yet.
  const needed = log.replica && direction === "backwards" ? Math.max(shown, lastEventId) : shown;
  let answer = await read();
  if (answer.head < needed) {
    await awaitPosition(deps, log, needed, signal);
    answer = await read();
  }
  if (subject !== null && answer.subject === null && log.replica) {
    // Only the primary knows that a subject does not exist.
    const known = await findSubject(deps.database, log.address, subject);
    if (known !== null) {
      await awaitPosition(deps, log, known.position, signal);
      answer = await read();
    }
  }
  if (lastEventId <= answer.head) return answer;
  await headBeyond(deps, log, lastEventId);
  return { ...answer, head: lastEventId };
}

/** Waits until an event follows the empty page, or the time is up; then reads again. */
export async function longPoll(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  query: PageQuery,
  cursor: Cursor | undefined,
  timeoutMs: number,
  { framing }: Representation,
  empty: PageAnswer,
  { admit }: HeldAnswer,
): Promise<PageAnswer> {
  const { signal } = c.req.raw;
  const done = new AbortController();
  const end = () => done.abort();
  const isThereMore = deferred<boolean>();
  let refusal: KildeError | null = null;
  const refuse = (error: KildeError) => {
    refusal = error;
    isThereMore.reject(error);
  };
  const leave = deps.followers.enter({ end, refuse, beat() {} }, principalOf(c));
  const interest = { subject: query.subject, filter: query.filter };
  const { head, identity } = empty;
  const following = log.follow(
    interest,
    { position: head, identity },
    {
      take: () => isThereMore.resolve(true),
      renewed: () => isThereMore.resolve(true),
      fail: isThereMore.reject,
    },
  );
  signal.addEventListener("abort", end);
  if (deps.closing.aborted || signal.aborted) end();
  void deps.clock.sleep(timeoutMs, done.signal).then(() => isThereMore.resolve(false));
  try {
    following.ask();
    if (!(await isThereMore.promise)) return empty;
    // A bare cursor belongs to the identity that the log had when the request began.
    const { position = 0, identity: stated } = cursor ?? {};
    const known = { position, identity: stated ?? identity };
    const answer = await readAfter(deps, log, known, () => log.page(query, framing, { signal, admit }));
    // Access ended while the page was read.
    if (refusal !== null) throw refusal;
    return answer;
  } finally {
    end();
    following.end();
    signal.removeEventListener("abort", end);
    leave();
  }
}
