import type { Context } from "hono";

import { KildeError } from "../core/errors.ts";
import type { LogReader } from "../log/reader.ts";
import { findSubject, type SubjectInfo } from "../log/subjects.ts";
import { erasure } from "../log/erasures.ts";
import { refusalError } from "./append.ts";
import type { AppDeps } from "./deps.ts";
import { listingLimit } from "./listing.ts";
import { hereWith, queryOf } from "./pages.ts";
import { awaitPosition, POSITION_HEADER, shownPosition } from "./position.ts";
import { preconditionOf } from "./preconditions.ts";
import { subjectNameOf } from "./stream-name.ts";

/** What the subjects of a log are called on the wire. */
type SubjectTerm = "stream" | "subject";

function infoOf(term: SubjectTerm) {
  return ({ name, version, position, recorded: time, firstVersion, erased }: SubjectInfo) => {
    return { [term]: name, version, position, time, firstVersion, erased };
  };
}

/** The subjects of a log, by name, or by what changed since a position. */
export async function listing(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  term: SubjectTerm,
): Promise<Response> {
  const { prefix = "", cursor, changedSince, ...query } = queryOf(c, deps.schemas.streamsQuery);
  const limit = listingLimit(query.limit, deps);
  if (changedSince !== undefined && cursor !== undefined) {
    const detail = "cannot be combined with changedSince, which is a cursor itself";
    throw new KildeError("invalid-parameter", `cursor: ${detail}`, {
      errors: [{ parameter: "cursor", detail }],
    });
  }
  await awaitPosition(deps, log, shownPosition(c), c.req.raw.signal);
  const list =
    changedSince === undefined
      ? await log.subjects({ prefix, cursor: cursor ?? "", limit })
      : await log.changedSubjects({ prefix, since: changedSince, limit });
  const last = list.subjects.at(-1);
  const links = [`<${hereWith(c, deps, {})}>; rel="self"`];
  if (list.full && last !== undefined) {
    const next = changedSince === undefined ? { cursor: last.name } : { changedSince: last.position };
    links.push(`<${hereWith(c, deps, next)}>; rel="next"`);
  }
  return c.json({ [`${term}s`]: list.subjects.map(infoOf(term)) }, 200, {
    Link: links.join(", "),
    "Cache-Control": "no-cache",
  });
}

/** The stream as it is, whatever a replica has. */
async function existing({ database, reader }: AppDeps, name: string): Promise<SubjectInfo> {
  const info = await findSubject(database, reader.address, name);
  if (info !== null) return info;
  throw new KildeError("stream-not-found", `There is no stream ${JSON.stringify(name)}`, { stream: name });
}

async function truncate(c: Context, deps: AppDeps, stream: string, before: number): Promise<Response> {
  const { version } = await existing(deps, stream);
  if (before > version) {
    const detail = `The stream is at version ${version}, and its last event always stays`;
    throw new KildeError("invalid-parameter", `before: ${detail}`, {
      errors: [{ parameter: "before", detail }],
    });
  }
  const expected = preconditionOf(c.req.raw.headers);
  if (typeof expected === "number" && expected !== version) {
    const refusal = { subject: stream, currentVersion: version, expectedVersion: expected };
    throw await refusalError(deps, { ...refusal, outcome: "version-conflict" }, "header");
  }
  await deps.writer.truncate(stream, before);
  const { firstVersion } = await existing(deps, stream);
  return c.json({ stream, version, firstVersion });
}

async function erase(c: Context, deps: AppDeps, stream: string, reason: string): Promise<Response> {
  await existing(deps, stream);
  const expected = preconditionOf(c.req.raw.headers) ?? "exists";
  const outcome = await deps.writer.append(erasure(stream, reason, expected));
  if (outcome.outcome !== "appended") throw await refusalError(deps, outcome, "header");
  const { version, position } = outcome.results[0] ?? { version: 0, position: 0 };
  return c.json({ stream, version, position }, 200, {
    ETag: `"${version}"`,
    [POSITION_HEADER]: String(position),
  });
}

/** `DELETE /streams/{stream}`: truncates with `before`, erases with `reason`, and never guesses which. */
export async function deleteStream(c: Context, deps: AppDeps): Promise<Response> {
  const stream = subjectNameOf(c, deps);
  const { before, reason } = queryOf(c, deps.schemas.deleteQuery);
  if (before !== undefined && reason === undefined) return truncate(c, deps, stream, before);
  if (reason !== undefined && before === undefined) return erase(c, deps, stream, reason);
  const detail = "State `before` to remove the events below a version, or `reason` to erase the whole stream";
  throw new KildeError("invalid-parameter", detail, { errors: [{ parameter: "before", detail }] });
}
