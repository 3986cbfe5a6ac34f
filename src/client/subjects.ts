import { mayContinue } from "./page-end.ts";
import { createPageLimit } from "./page-limit.ts";
import { logPath, queryString } from "./read.ts";
import { sendRead } from "./position.ts";
import { readObject } from "./parse-answer.ts";
import { type RequestDeps } from "./request.ts";
import type { ListOptions, StreamInfo, SubjectInfo, SubjectsOptions } from "./types.ts";

type Listed = Omit<StreamInfo, "stream"> & { readonly stream?: string; readonly subject?: string };

/** Lists the subjects of a log, one page per request: by name, or by change since a position. */
export async function* subjectPages(
  deps: RequestDeps,
  { feed, prefix, after, changedSince, position, pageSize, signal }: SubjectsOptions,
): AsyncGenerator<SubjectInfo[], void, undefined> {
  const init: RequestInit = signal === undefined ? {} : { signal };
  const pageLimit = createPageLimit();
  const listPath = feed === undefined ? "/streams" : `${logPath(feed)}/subjects`;
  let cursor: { cursor?: string | undefined; changedSince?: number } =
    changedSince === undefined ? { cursor: after } : { changedSince };
  for (;;) {
    const { continues, page } = await pageLimit(pageSize, (limit) =>
      sendRead(
        deps,
        `${listPath}${queryString({ prefix, limit, ...cursor })}`,
        init,
        async (response) => ({
          continues: mayContinue(response),
          page: await readObject<{ streams?: Listed[]; subjects?: Listed[] }>(response),
        }),
        { feed, position },
      ),
    );
    const subjects = (page.subjects ?? page.streams ?? []).map(
      ({ stream = "", subject = stream, ...info }): SubjectInfo => ({ ...info, subject }),
    );
    const last = subjects.at(-1);
    if (last === undefined) return;
    yield subjects;
    if (!continues) return;
    cursor = changedSince === undefined ? { cursor: last.subject } : { changedSince: last.position };
  }
}

/** Lists streams of the event log in order. */
export async function* listStreams(
  deps: RequestDeps,
  options: ListOptions,
): AsyncGenerator<StreamInfo, void, undefined> {
  for await (const page of subjectPages(deps, options)) {
    yield* page.map(({ subject: stream, ...info }) => ({ stream, ...info }));
  }
}
