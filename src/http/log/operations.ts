import type { Operation } from "../operation.ts";
import { readingSubjects } from "../pipeline/authorization.ts";
import { validQuery, readLog } from "./pages.ts";

export const logOperations: readonly Operation[] = [
  {
    id: "readEvents",
    method: "get",
    path: "/events",
    tag: "Read and follow",
    link: "events",
    summary: "Read or follow the event log",
    description:
      "A page of events, or with `Accept: text/event-stream` the events as server-sent events from the cursor on.",
    access: readingSubjects("/events", "subjectPrefix"),
    handle: (c, deps) => readLog(c, deps, deps.reader, null, validQuery(c, deps.schemas.logQuery)),
    describe: ({ schemas, readHeaders, pages }) => ({
      request: { query: schemas.logQuery, headers: readHeaders },
      responses: pages,
    }),
  },
];
