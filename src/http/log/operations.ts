import type { Operation } from "../operation.ts";
import { needing, readingSubjects } from "../pipeline/authorization.ts";
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
  {
    id: "readCorrelated",
    method: "get",
    path: "/events/correlated",
    tag: "Read and follow",
    summary: "Read the events with a correlation id",
    description:
      "Only in a store with the setting `correlations`, which indexes the attribute `correlationid` of events in the background: `indexed` is how far it has come.",
    access: needing("read", "/events"),
    handle: async (c, deps) => (await import("./correlated.ts")).getCorrelated(c, deps),
    describe: ({ schemas, json, answers, problem }) => ({
      request: { query: schemas.correlatedQuery },
      responses: { 200: json(answers.correlated, "Events in order of position"), default: problem },
    }),
  },
];
