import type { Operation } from "../operation.ts";

export const changesOperations: readonly Operation[] = [
  {
    id: "followChanges",
    method: "get",
    path: "/changes",
    tag: "Service",
    link: "changes",
    summary: "Follow the changes of all logs, subscriptions, consumers and keys",
    description:
      "Server-sent events of type `changes`, at most 4 a second, without events of logs: `data` has only what changed since the message before, as far as the sender may learn of it. The first message has every head; read lists after it, and again after each new connection. The stream ends when the store is restored.",
    access: "known",
    // Loaded at the first request: most stores have no observer.
    handle: async (c, deps) => (await import("./changes.ts")).getChanges(c, deps),
    describe: ({ answers, logHeader, problem }) => ({
      responses: {
        200: {
          description: "The changes, until the client or the server ends the stream",
          headers: logHeader,
          content: { "text/event-stream": { schema: answers.changes } },
        },
        default: problem,
      },
    }),
  },
];
