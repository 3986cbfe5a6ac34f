import { needing } from "../pipeline/authorization.ts";
import type { Operation, Route } from "../operation.ts";
import { apiIndex } from "./api-index.ts";
import { getAsyncApi, getOpenApi } from "./descriptions.ts";
import { getProblem, getReady } from "./service.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

const tag = "Service";

const stateOperations: readonly Operation[] = [
  {
    id: "asyncApi",
    method: "get",
    path: "/asyncapi.json",
    tag,
    link: "asyncapi",
    summary: "Describe the feeds and their events (AsyncAPI 3.0)",
    compresses: true,
    access: "known",
    handle: getAsyncApi,
    describe: ({ z, json, problem }) => ({
      responses: {
        200: json(z.looseObject({ asyncapi: z.string() }), "The description"),
        default: problem,
      },
    }),
  },
  {
    id: "health",
    method: "get",
    path: "/health",
    tag,
    link: "health",
    summary: "Check that the process is alive",
    access: "always",
    handle: (c, { version }) => jsonAnswer(c, { status: "ok", version }),
    describe: ({ json, answers, problem }) => ({
      responses: { 200: json(answers.health, "The process is alive"), default: problem },
    }),
  },
  {
    id: "ready",
    method: "get",
    path: "/ready",
    tag,
    link: "ready",
    summary: "Check that the store accepts writes",
    access: "public",
    handle: getReady,
    describe: ({ json, answers, problem }) => ({
      responses: {
        200: json(
          answers.ready,
          "The store accepted a write; `degraded`: storage still holds erased data after a minute",
        ),
        default: problem,
      },
    }),
  },
  {
    id: "metrics",
    method: "get",
    path: "/metrics",
    tag,
    link: "metrics",
    summary: "Report positions, lag and progress to Prometheus",
    access: needing("read", "/metrics"),
    handle: async (c, deps) => {
      const { metricsAnswer, metricsOf } = await import("./metrics.ts");
      return metricsAnswer(c, await metricsOf([{ labels: {}, deps }]));
    },
    describe: ({ z, problem }) => ({
      responses: {
        200: { description: "Prometheus' text format", content: { "text/plain": { schema: z.string() } } },
        default: problem,
      },
    }),
  },
  {
    id: "problemType",
    method: "get",
    path: "/problems/{code}",
    tag,
    summary: "Explain a problem type",
    access: "known",
    handle: getProblem,
    describe: ({ z, json, answers, problem }) => ({
      request: { params: z.object({ code: z.string().openapi({ example: "version-conflict" }) }) },
      responses: { 200: json(answers.problemType, "The problem type"), default: problem },
    }),
  },
];

/** Return what the operations that describe the API describe. */
interface DescribedApi {
  readonly operations: () => readonly Operation[];
  readonly routes: () => readonly Route[];
}

export function serviceOperations({ operations, routes }: DescribedApi): readonly Operation[] {
  return [
    {
      id: "index",
      method: "get",
      path: "/",
      tag,
      summary: "List the paths of the API",
      access: "known",
      handle: (c, deps) => jsonAnswer(c, apiIndex(routes(), deps)),
      describe: ({ json, answers, problem }) => ({
        responses: { 200: json(answers.index, "The index"), default: problem },
      }),
    },
    {
      id: "openApi",
      method: "get",
      path: "/openapi.json",
      tag,
      link: "openapi",
      summary: "Describe the API (OpenAPI 3.1)",
      compresses: true,
      access: "known",
      handle: (c, deps) => getOpenApi(c, deps, operations()),
      describe: ({ z, json, problem }) => ({
        responses: {
          200: json(z.looseObject({ openapi: z.string() }), "The description"),
          default: problem,
        },
      }),
    },
    ...stateOperations,
  ];
}
