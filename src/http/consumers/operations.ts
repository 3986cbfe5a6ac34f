import type { Context } from "hono";
import type { z } from "zod";

import type { OwnPath } from "../../core/own-paths.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";
import type { Operation } from "../operation.ts";
import type { OpenApiParts } from "../openapi/parts.ts";
import type { ConsumerAccess } from "./consumer-access.ts";
import { deleteConsumer, getConsumer, getConsumerLag, getConsumers, putConsumer } from "./consumers.ts";

/** A log that has consumers. */
interface ConsumedLog {
  readonly path: OwnPath;
  /** Distinguishes the ids of its operations from those of other logs. */
  readonly idSuffix: string;
  readonly logOf: (c: Context, deps: AppDeps) => LogReader | Promise<LogReader>;
  /** The parameters in the path; null: none. */
  readonly params: (parts: OpenApiParts) => z.ZodObject | null;
  readonly access: ConsumerAccess;
}

const tag = "Consumers";

function pathOfOne({ path }: ConsumedLog): OwnPath {
  return `${path}/consumers/{consumer}` as OwnPath;
}

/** The parameters of a path with one consumer. */
function paramsOfOne({ params }: ConsumedLog, parts: OpenApiParts) {
  const own = parts.z.object({ consumer: parts.schemas.consumer });
  return { params: params(parts)?.extend(own.shape) ?? own };
}

function answer({ json, answers, logHeader, problem }: OpenApiParts) {
  return {
    200: { ...json(answers.consumer, "The consumer"), headers: logHeader },
    default: problem,
  };
}

/** The operations on the consumers of a log. */
export function consumerOperations(log: ConsumedLog): readonly Operation[] {
  return [...readingOperations(log), ...changingOperations(log)];
}

function readingOperations(log: ConsumedLog): readonly Operation[] {
  const { path, idSuffix, logOf, params, access } = log;
  const one = pathOfOne(log);
  return [
    {
      id: `listConsumers${idSuffix}`,
      method: "get",
      path: `${path}/consumers` as OwnPath,
      tag,
      summary: "List the consumers of a log, and how far they are behind",
      description: "Readers name themselves with the header `Kilde-Consumer`, or by committing a position.",
      access: access.lists,
      handle: async (c, deps) => getConsumers(c, deps, await logOf(c, deps)),
      describe: (parts) => ({
        request: { ...pathParams(params(parts)), query: parts.schemas.consumersQuery },
        responses: parts.listed("consumers", parts.answers.consumer, "Consumers, in order of name"),
      }),
    },
    {
      id: `getConsumer${idSuffix}`,
      method: "get",
      path: one,
      tag,
      summary: "Read one consumer",
      description: "A sender whose key is bound to another consumer, or to none, needs to manage the log.",
      access: access.reads,
      handle: async (c, deps) => getConsumer(c, deps, await logOf(c, deps)),
      describe: (parts) => ({ request: paramsOfOne(log, parts), responses: answer(parts) }),
    },
    {
      id: `readConsumerLag${idSuffix}`,
      method: "get",
      path: `${one}/lag` as OwnPath,
      tag,
      summary: "Read the lag of a consumer in the last 24 hours",
      description:
        "A sample for each five minutes, at most 289; none for those in which Kilde was not running. Kilde samples consumers that commit, and others for an hour after their last read; at most 10,000 in a store.",
      access: access.reads,
      handle: async (c, deps) => getConsumerLag(c, deps, await logOf(c, deps)),
      describe: (parts) => ({
        request: paramsOfOne(log, parts),
        responses: {
          200: {
            ...parts.json(parts.answers.consumerLag, "The samples, in order of time"),
            headers: parts.logHeader,
          },
          default: parts.problem,
        },
      }),
    },
  ];
}

function changingOperations(log: ConsumedLog): readonly Operation[] {
  const { idSuffix, logOf, access } = log;
  const one = pathOfOne(log);
  return [
    {
      id: `commitConsumer${idSuffix}`,
      method: "put",
      path: one,
      tag,
      summary: "Commit a position",
      description:
        "Creates the consumer if the log does not have it yet. Only a sender whose key is bound to the consumer commits for it.",
      isRecorded: true,
      access: access.commits,
      handle: async (c, deps) => putConsumer(c, deps, await logOf(c, deps)),
      describe: (parts) => ({
        request: {
          ...paramsOfOne(log, parts),
          headers: parts.decidedOn,
          body: parts.jsonBody(parts.schemas.committedBody, { position: 1 }),
        },
        responses: answer(parts),
      }),
    },
    {
      id: `removeConsumer${idSuffix}`,
      method: "delete",
      path: one,
      tag,
      summary: "Forget a consumer, until it reads again",
      description: "A sender whose key is bound to another consumer, or to none, needs to manage the log.",
      isRecorded: true,
      access: access.forgets,
      handle: async (c, deps) => deleteConsumer(c, deps, await logOf(c, deps)),
      describe: (parts) => ({
        request: paramsOfOne(log, parts),
        responses: { 204: { description: "Kilde forgot the consumer" }, default: parts.problem },
      }),
    },
  ];
}

function pathParams(params: z.ZodObject | null) {
  return params === null ? {} : { params };
}
