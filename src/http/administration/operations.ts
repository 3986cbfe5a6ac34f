import { z } from "@hono/zod-openapi";

import { OPERATIONS_PATH } from "../../administration/operations-log.ts";
import type { Operation } from "../operation.ts";
import { validQuery, readLog } from "../log/pages.ts";
import { needing } from "../pipeline/authorization.ts";
import { subjectNameOf } from "../streams/stream-name.ts";
import { listing } from "../streams/streams.ts";

const tag = "Administration";

const access = needing("read", OPERATIONS_PATH);

export const administrationOperations: readonly Operation[] = [
  {
    id: "readOperations",
    method: "get",
    path: "/operations",
    tag,
    link: "operations",
    summary: "Read or follow the log of administration",
    description:
      "Removals, alarms and changes of feeds, subscriptions and consumers, as events like those of every log. The subject of an entry is the path of the changed resource.",
    access,
    handle: async (c, deps) =>
      readLog(c, deps, await deps.operations.reader(), null, validQuery(c, deps.schemas.logQuery)),
    describe: ({ schemas, readHeaders, pages }) => ({
      request: { query: schemas.logQuery, headers: readHeaders },
      responses: pages,
    }),
  },
  {
    id: "listOperationSubjects",
    method: "get",
    path: "/operations/subjects",
    tag,
    summary: "List the resources that the log of administration has entries about",
    description: "By name; with `changedSince` by the position of their last entry.",
    compresses: true,
    access,
    handle: async (c, deps) => listing(c, deps, await deps.operations.reader(), "subject"),
    describe: ({ schemas, answers, listHeaders, listed }) => ({
      request: { query: schemas.streamsQuery, headers: listHeaders },
      responses: listed("subjects", answers.subjectInfo, "Subjects"),
    }),
  },
  {
    id: "readOperationSubject",
    method: "get",
    path: "/operations/subjects/{subject}",
    tag,
    summary: "Read or follow the entries about one resource",
    access,
    handle: async (c, deps) => {
      const subject = subjectNameOf(c, deps, "subject");
      return readLog(
        c,
        deps,
        await deps.operations.reader(),
        subject,
        validQuery(c, deps.schemas.streamQuery),
      );
    },
    describe: ({ schemas, readHeaders, pages }) => ({
      request: {
        params: z.object({ subject: schemas.streamName.openapi({ example: "/streams/user-0" }) }),
        query: schemas.streamQuery,
        headers: readHeaders,
      },
      responses: pages,
    }),
  },
];
