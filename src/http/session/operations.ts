import type { Context } from "hono";

import type { AppDeps } from "../deps.ts";
import type { Operation } from "../operation.ts";
import type { sessionHandlers } from "./handlers.ts";

const SESSION = "/session";

const tag = "Sessions";

/** A handler that is loaded at the first request: a server without sessions starts faster without it. */
function on(handler: keyof typeof sessionHandlers) {
  return async (c: Context, deps: AppDeps): Promise<Response> => {
    const { sessionHandlers: handlers } = await import("./handlers.ts");
    return handlers[handler](c, deps);
  };
}

const page = { content: { "text/html": { schema: { type: "string" } } } } as const;

export const sessionOperations: readonly Operation[] = [
  {
    id: "getSession",
    method: "get",
    path: SESSION,
    tag,
    link: "session",
    access: "known",
    summary: "Show the sender: its name and its grants",
    description: "Of any sender, whether it has a session, a key or a token.",
    handle: on("getSession"),
    describe: ({ sessionSchemas, answers, json, problem }) => ({
      request: { query: sessionSchemas.sessionQuery },
      responses: { 200: json(answers.sender, "The sender"), default: problem },
    }),
  },
  {
    id: "openSession",
    method: "post",
    path: SESSION,
    tag,
    access: "public",
    summary: "Open a session with a key",
    description:
      "With the token in `Authorization` or in the body. The answer sets a cookie that browsers send with later requests of pages of this server; scripts cannot read it. The session ends with the key, and after 12 hours at most.",
    handle: on("postSession"),
    describe: ({ z, sessionSchemas, answers, json, jsonBody, problem }) => ({
      request: { body: jsonBody(sessionSchemas.newSession, { token: "kilde_…" }, false) },
      responses: {
        201: {
          ...json(answers.sender, "The sender"),
          headers: z.object({
            "Set-Cookie": z.string().openapi({ description: "The cookie of the session" }),
          }),
        },
        default: problem,
      },
    }),
  },
  {
    id: "endSession",
    method: "delete",
    path: SESSION,
    tag,
    access: "public",
    summary: "Remove the cookie of the session from the browser",
    handle: on("deleteSession"),
    describe: ({ problem }) => ({
      responses: { 204: { description: "The answer removes the cookie" }, default: problem },
    }),
  },
  {
    id: "startSignIn",
    method: "get",
    path: `${SESSION}/oidc`,
    tag,
    access: "public",
    summary: "Send the browser to the OpenID provider to sign in",
    description: "The sign-in has to be completed within 10 minutes, in the same browser.",
    handle: on("startSignIn"),
    describe: ({ z, sessionSchemas, problem }) => ({
      request: { query: sessionSchemas.signInQuery },
      responses: {
        303: {
          description: "The browser continues at the provider",
          headers: z.object({ Location: z.string().openapi({ description: "URL at the provider" }) }),
        },
        default: problem,
      },
    }),
  },
  {
    id: "completeSignIn",
    method: "get",
    path: `${SESSION}/oidc/callback`,
    tag,
    access: "public",
    summary: "Open a session for a person who comes back from the OpenID provider",
    description: "Only the provider sends browsers here, with the answer to one sign-in in the query.",
    handle: on("completeSignIn"),
    describe: ({ problem }) => ({
      responses: {
        200: { description: "A page that continues where the sign-in began", ...page },
        default: problem,
      },
    }),
  },
];
