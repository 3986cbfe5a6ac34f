import { z } from "@hono/zod-openapi";

import { validQuery, readLog } from "../log/pages.ts";
import type { Operation } from "../operation.ts";
import type { OpenApiParts } from "../openapi/parts.ts";
import { needing, readingSubjects } from "../pipeline/authorization.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import { MAX_BULK_APPENDS } from "../../core/limits.ts";
import { APPENDS } from "./append-access.ts";
import { getAppend, postStream, postTransaction } from "./append.ts";
import { postAppends } from "./bulk-appends.ts";
import { subjectNameOf } from "./stream-name.ts";
import { deleteStream, listing } from "./streams.ts";

/** A server that has the events of the earlier examples accepts the examples in this order. */

const registered = { type: "UserRegistered", data: { name: "Ida" } };

const cloudEvent = {
  specversion: "1.0",
  id: "1",
  source: "/users",
  type: registered.type,
  subject: "user-1",
  data: registered.data,
};

/** It has no example: every append that a reader tries out would use the same key. */
function idempotencyKey({ schemas }: OpenApiParts) {
  return { "idempotency-key": schemas.idempotencyKey.optional().openapi({ example: undefined }) };
}

/** `*`, or an entity tag of a stream: a version, and further parts as answers have them. */
const ENTITY_TAG_PATTERN = '^(\\*|(W/)?"[0-9]{1,15}(-[0-9a-f]{16}(-[^"]*)?)?")$';

function preconditions({ decidedOn }: OpenApiParts) {
  return decidedOn.extend({
    "if-match": z.string().optional().openapi({
      pattern: ENTITY_TAG_PATTERN,
      description:
        'An ETag of the stream, such as `"5-9f86d081884c7d65"`: the stream must be at that version, in that history of the log. `"5"`: at version 5; `*`: it must exist',
    }),
    "if-none-match": z
      .string()
      .optional()
      .openapi({ pattern: "^\\*$", description: "`*`: the stream must not exist" }),
  });
}

/** Prose describes NDJSON, which openapi-python-client does not support. */
const bulkExample = [
  { stream: "user-1", events: [{ type: "EmailChanged", data: { email: "ida@example.com" } }] },
  { stream: "user-3", events: [registered], expectedVersion: 0, idempotencyKey: "register-user-3" },
];

export const streamOperations: readonly Operation[] = [
  {
    id: "append",
    method: "post",
    path: "/streams/{stream}",
    tag: "Append",
    link: "stream",
    summary: "Append events to a stream",
    // Prose describes the other formats: openapi-python-client generates an append that always fails if a third body is an
    // array, and binary mode has any headers.
    description:
      "Appends all of the events, or none. 201 means that they are on disk. Two further formats of CloudEvents are accepted: a batch, an array of at least one `NewCloudEvent` with the media type `application/cloudevents-batch+json`; and binary mode, the data of one event with its attributes in `ce-` headers.",
    access: APPENDS,
    handle: (c, deps) => postStream(c.req.raw, c.req.param("stream") ?? "", c.env as RequestContext, deps),
    describe: (parts) => ({
      request: {
        params: parts.params.stream,
        headers: preconditions(parts).extend(idempotencyKey(parts)),
        body: {
          required: true,
          content: {
            "application/json": { schema: parts.schemas.appendBody, example: { events: [registered] } },
            "application/cloudevents+json": { schema: parts.schemas.newCloudEvent, example: cloudEvent },
          },
        },
      },
      responses: {
        201: {
          ...parts.json(parts.answers.appended, "Kilde stored the events"),
          headers: parts.streamAppendHeaders,
        },
        default: parts.problem,
      },
    }),
  },
  {
    id: "transact",
    method: "post",
    path: "/transactions",
    tag: "Append",
    link: "transactions",
    summary: "Append to several streams atomically",
    description:
      "Makes the appends in order, all or none; a stream may occur several times. The sender needs the grant of each append.",
    access: "known",
    handle: (c, deps) => postTransaction(c.req.raw, c.env as RequestContext, deps),
    describe: (parts) => ({
      request: {
        headers: parts.decidedOn.extend(idempotencyKey(parts)),
        body: parts.jsonBody(parts.schemas.transactionBody, {
          appends: [
            { stream: "user-1", events: [{ type: "InvitationSent", data: { to: "user-2" } }] },
            { stream: "user-2", events: [{ type: "InvitationReceived", data: { from: "user-1" } }] },
          ],
        }),
      },
      responses: {
        201: {
          ...parts.json(parts.answers.transacted, "Kilde stored the events"),
          headers: parts.appendHeaders,
        },
        default: parts.problem,
      },
    }),
  },
  {
    id: "appendAll",
    method: "post",
    path: "/appends",
    tag: "Append",
    link: "appends",
    summary: "Append to many streams independently",
    description: `Takes up to ${MAX_BULK_APPENDS} appends as a JSON array, or as NDJSON (\`application/x-ndjson\`) with one on each line, and answers in the same format with the outcome of each, in order. Each append is atomic, and a refused one does not stop those after it; the appends to one stream take effect in their order. When the database fails (503), those that were not committed fail together, so a client that repeats them keeps their order. An outcome with the status 201 is the answer of \`POST /streams/{stream}\`; any other is the problem that it would answer with, whose pointers are those in the entry. A body that is not a list of appends with a stream and events each, has a longer name of a stream than the limit, uses an idempotency key twice, or has more events than an append may have, is refused as a whole, and nothing is appended. The sender needs the grant of each append.`,
    access: "known",
    handle: (c, deps) => postAppends(c.req.raw, c.env as RequestContext, deps),
    describe: (parts) => ({
      request: {
        headers: parts.decidedOn,
        body: parts.jsonBody(parts.schemas.bulkAppends, bulkExample),
      },
      responses: {
        200: {
          description: "The outcomes, in order; some or all of the appends may have been refused",
          content: {
            "application/json": { schema: z.array(parts.answers.appendOutcome) },
            "application/x-ndjson": {
              schema: z.string().openapi({ description: "The same outcomes, one on each line" }),
            },
          },
          headers: parts.bulkHeaders,
        },
        default: parts.problem,
      },
    }),
  },
  {
    id: "findAppend",
    method: "get",
    path: "/appends/{idempotencyKey}",
    tag: "Append",
    link: "append",
    summary: "Find the answer to an append by its idempotency key",
    description:
      "For a client that lost the answer and can no longer repeat the request. A sender finds its own appends only.",
    access: "known",
    handle: getAppend,
    describe: ({ schemas, answers, json, logHeader, problem }) => ({
      request: { params: z.object({ idempotencyKey: schemas.idempotencyKey }) },
      responses: {
        200: { ...json(answers.transacted, "The append succeeded"), headers: logHeader },
        default: problem,
      },
    }),
  },
  {
    id: "readStream",
    method: "get",
    path: "/streams/{stream}",
    tag: "Read and follow",
    summary: "Read or follow one stream",
    description: "The ETag begins with the stream's version.",
    access: needing("read", "/streams/{stream}"),
    handle: (c, deps) =>
      readLog(c, deps, deps.reader, subjectNameOf(c, deps), validQuery(c, deps.schemas.streamQuery)),
    describe: ({ schemas, params, readHeaders, pages }) => ({
      request: { params: params.stream, query: schemas.streamQuery, headers: readHeaders },
      responses: pages,
    }),
  },
  {
    id: "listStreams",
    method: "get",
    path: "/streams",
    tag: "Streams",
    link: "streams",
    summary: "List streams",
    description: "By name; with `changedSince` by the position of their last event.",
    compresses: true,
    access: readingSubjects("/streams", "prefix"),
    handle: (c, deps) => listing(c, deps, deps.reader, "stream"),
    describe: ({ schemas, answers, listHeaders, listed }) => ({
      request: { query: schemas.streamsQuery, headers: listHeaders },
      responses: listed("streams", answers.streamInfo, "Streams"),
    }),
  },
  {
    id: "deleteStream",
    method: "delete",
    path: "/streams/{stream}",
    tag: "Streams",
    summary: "Truncate or erase a stream",
    description:
      "`before` removes the events below a version. `reason` removes all events and leaves a tombstone, an event of type `kilde.erased`, so that followers learn of the erasure. Versions and positions are never used again. An erasure that is repeated with the same `Idempotency-Key` gets the first answer again.",
    isRecorded: true,
    access: needing("erase", "/streams/{stream}"),
    handle: deleteStream,
    describe: (parts) => ({
      request: {
        params: parts.params.stream,
        query: parts.schemas.deleteQuery,
        headers: preconditions(parts).extend(idempotencyKey(parts)),
      },
      responses: {
        200: parts.json(parts.answers.removed, "Kilde removed the events"),
        default: parts.problem,
      },
    }),
  },
];
