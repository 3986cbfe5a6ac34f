import type { Context } from "hono";

import type { AppDeps } from "../deps.ts";
import type { Operation } from "../operation.ts";
import type { OpenApiParts } from "../openapi/parts.ts";
import type { keyHandlers } from "./handlers.ts";

const ALL = "/keys";
const ONE = "/keys/{key}";

/** All operations on keys have these members. */
const COMMON = { tag: "Keys", access: "admin" } as const;

/** A handler that is loaded at the first request: a server starts faster without it. */
function on(handler: keyof typeof keyHandlers) {
  return async (c: Context, deps: AppDeps): Promise<Response> => {
    const { keyHandlers: handlers } = await import("./handlers.ts");
    return handlers[handler](c, deps);
  };
}

function one({ answers, json, problem }: OpenApiParts, description: string) {
  return { 200: json(answers.key, description), default: problem };
}

export const keyOperations: readonly Operation[] = [
  {
    ...COMMON,
    id: "listKeys",
    method: "get",
    path: ALL,
    link: "keys",
    summary: "List API keys",
    description: "In order of name, also those that have ended. Never with their tokens.",
    handle: on("getKeys"),
    describe: ({ keySchemas, answers, listed }) => ({
      request: { query: keySchemas.keysQuery },
      responses: listed("keys", answers.key, "Keys"),
    }),
  },
  {
    ...COMMON,
    id: "createKey",
    isRecorded: true,
    method: "post",
    path: ALL,
    summary: "Create an API key",
    description:
      "The answer has the token, which Kilde does not show again. The first key of a store is created on its database, with `kilde keys create`.",
    handle: on("postKey"),
    describe: ({ z, keySchemas, answers, json, jsonBody, problem }) => ({
      request: {
        body: jsonBody(keySchemas.newKey, {
          name: "cards",
          grants: ["read:/feeds/declarations"],
          consumer: "cards",
        }),
      },
      responses: {
        201: {
          ...json(answers.issuedKey, "The new key"),
          headers: z.object({ Location: z.string().openapi({ description: "Path of the key" }) }),
        },
        default: problem,
      },
    }),
  },
  {
    ...COMMON,
    id: "getKey",
    method: "get",
    path: ONE,
    summary: "Read one API key",
    handle: on("getKey"),
    describe: (parts) => ({
      request: { params: parts.params.key },
      responses: one(parts, "The key"),
    }),
  },
  {
    ...COMMON,
    id: "revokeKey",
    isRecorded: true,
    method: "delete",
    path: ONE,
    summary: "Revoke an API key",
    description:
      "It ends at once, and within 5 seconds everything that it follows. The key that replaces it stays valid.",
    handle: on("revokeKey"),
    describe: (parts) => ({
      request: { params: parts.params.key },
      responses: one(parts, "The revoked key"),
    }),
  },
  {
    ...COMMON,
    id: "rotateKey",
    isRecorded: true,
    method: "post",
    path: `${ONE}/rotate`,
    summary: "Replace an API key by one with the same name, grants and consumer",
    description: "The old key stays valid for an overlap. The answer has the new token.",
    handle: on("rotateKey"),
    describe: ({ params, keySchemas, answers, json, jsonBody, problem }) => ({
      request: {
        params: params.key,
        body: jsonBody(keySchemas.keyRotation, { overlapSeconds: 3_600 }, false),
      },
      responses: { 200: json(answers.issuedKey, "The new key"), default: problem },
    }),
  },
];
