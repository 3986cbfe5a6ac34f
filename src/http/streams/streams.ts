import type { Context } from "hono";

import { cursorText } from "../../core/cursor.ts";
import { KildeError } from "../../core/errors.ts";
import { readLogState } from "../../log/log-state.ts";
import { withinOneHistory } from "../../log/read/one-history.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { findSubject, type SubjectRow } from "../../log/read/subjects.ts";
import { erasure } from "../../log/erase/erasures.ts";
import { IDEMPOTENCY_KEY, idempotencyOf, refusalError, REPLAYED_HEADER } from "./append.ts";
import type { AppDeps } from "../deps.ts";
import { listAnswer, listingLimit } from "../wire/listing.ts";
import { isCursorOf, logHeaders, restoredWrite, streamTag } from "../log/log-identity.ts";
import { hereWith } from "../wire/links.ts";
import { validQuery } from "../log/pages.ts";
import { awaitPosition, POSITION_HEADER, shownPosition } from "../log/position.ts";
import { actorOf, principalOf } from "../pipeline/authorization.ts";
import { preconditionOf } from "./preconditions.ts";
import { subjectNameOf } from "./stream-name.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

/** The word for the subjects of a log on the wire. */
type SubjectTerm = "stream" | "subject";

function infoOf(term: SubjectTerm) {
  return ({ name, version, position, recorded: time, firstVersion, erased }: SubjectRow) => {
    return { [term]: name, version, position, time, firstVersion, erased };
  };
}

/**
 * Lists the subjects of a log, by name or by the position of their last change. `shownPrefix`: returns the prefix of the
 * subjects that the sender is shown, from the one that it asked for.
 */
export async function listing(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  term: SubjectTerm,
  shownPrefix: (asked: string | undefined) => string | undefined = (asked) => asked,
): Promise<Response> {
  const { prefix: asked, cursor, changedSince, ...query } = validQuery(c, deps.schemas.streamsQuery);
  const prefix = shownPrefix(asked) ?? "";
  const limit = listingLimit(query.limit, deps);
  if (changedSince !== undefined && cursor !== undefined) {
    const detail = "cannot be combined with changedSince, which is a cursor itself";
    throw new KildeError("invalid-parameter", `cursor: ${detail}`, {
      errors: [{ parameter: "cursor", detail }],
    });
  }
  return listAnswer(c, deps, limit, async () => {
    const list = await withinOneHistory(log.name, async () => {
      const state = await log.state();
      if (!(await isCursorOf(deps, log, changedSince, state))) return null;
      await awaitPosition(deps, log, shownPosition(c), c.req.raw.signal);
      const found =
        changedSince === undefined
          ? await log.subjects({ prefix, cursor: cursor ?? "", limit })
          : await log.changedSubjects({ prefix, since: changedSince.position, limit });
      const { identity } = await log.state();
      return identity === state.identity ? { ...found, identity } : null;
    });
    const last = list.subjects.at(-1);
    const links = [`<${hereWith(c, deps, {})}>; rel="self"`];
    if (list.full && last !== undefined) {
      const next =
        changedSince === undefined
          ? { cursor: last.name }
          : { changedSince: cursorText(last.position, list.identity) };
      links.push(`<${hereWith(c, deps, next)}>; rel="next"`);
    }
    const headers = { Link: links.join(", "), ...logHeaders(list.identity) };
    return { body: { [`${term}s`]: list.subjects.map(infoOf(term)) }, headers };
  });
}

/** Returns the stream as the primary has it. */
async function existing({ database, reader }: AppDeps, name: string): Promise<SubjectRow> {
  const info = await findSubject(database, reader.address, name);
  if (info !== null) return info;
  throw new KildeError("stream-not-found", `There is no stream ${JSON.stringify(name)}`, { stream: name });
}

async function truncate(c: Context, deps: AppDeps, stream: string, before: number): Promise<Response> {
  const { expectedVersion: expected, identity: stated } = preconditionOf(c.req.raw.headers);
  const log = await readLogState(deps.database, deps.reader.address);
  if (stated !== undefined && stated !== log.identity) throw await restoredWrite(deps, stated);
  const { version } = await existing(deps, stream);
  if (before > version) {
    const detail = `The stream is at version ${version}, and its last event always stays`;
    throw new KildeError("invalid-parameter", `before: ${detail}`, {
      errors: [{ parameter: "before", detail }],
    });
  }
  if (typeof expected === "number" && expected !== version) {
    const refusal = { subject: stream, currentVersion: version, expectedVersion: expected, log };
    throw await refusalError(deps, { ...refusal, outcome: "version-conflict" }, "header");
  }
  await deps.writer.truncate({ subject: stream, before, identity: log.identity, ...actorOf(c) });
  const { firstVersion } = await existing(deps, stream);
  return jsonAnswer(c, { stream, version, firstVersion }, 200, {
    ETag: streamTag(version, log.identity),
    ...logHeaders(log.identity),
  });
}

async function erase(c: Context, deps: AppDeps, stream: string, reason: string): Promise<Response> {
  await existing(deps, stream);
  const untraced = await deps.feeds.untraced();
  if (untraced !== null) {
    const detail = `Kilde is still tracing the events of ${untraced} to their source streams; erase the stream after that`;
    throw new KildeError("feed-behind", detail);
  }
  const { expectedVersion = "exists", identity } = preconditionOf(c.req.raw.headers);
  const { parts } = erasure(stream, reason, expectedVersion);
  const key = c.req.header(IDEMPOTENCY_KEY);
  const idempotency = key === undefined ? null : await idempotencyOf(key, principalOf(c), deps, parts);
  const outcome = await deps.writer.append({ parts, idempotency, identity, by: principalOf(c).name });
  if (outcome.outcome !== "appended") throw await refusalError(deps, outcome, "header");
  const { version, position } = outcome.results[0] ?? { version: 0, position: 0 };
  return jsonAnswer(c, { stream, version, position }, 200, {
    ETag: streamTag(version, outcome.log.identity),
    ...logHeaders(outcome.log.identity),
    [POSITION_HEADER]: String(position),
    ...(outcome.replayed ? { [REPLAYED_HEADER]: "true" } : {}),
  });
}

/**
 * `DELETE /streams/{stream}`: truncates with `before`, erases with `reason`, and refuses a request that states
 * neither.
 */
export async function deleteStream(c: Context, deps: AppDeps): Promise<Response> {
  const stream = subjectNameOf(c, deps);
  const { before, reason } = validQuery(c, deps.schemas.deleteQuery);
  if (before !== undefined && reason === undefined) return truncate(c, deps, stream, before);
  if (reason !== undefined && before === undefined) return erase(c, deps, stream, reason);
  const detail = "State `before` to remove the events below a version, or `reason` to erase the whole stream";
  throw new KildeError("invalid-parameter", detail, { errors: [{ parameter: "before", detail }] });
}
