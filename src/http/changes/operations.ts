import type { Operation } from "../operation.ts";

/** Generators of clients accept no other schema than a text for event streams. */
const DATA =
  "`data` is a JSON object, in which a member is missing where nothing changed. `logs`: new heads of the event log and of feeds, by path. `operations`: new head of the log of administration. `subscriptions`: ids of those that were created, changed or removed, or that delivered something. `consumers`: true if consumers read, committed or were forgotten. `keys`: a number that differs after each change of a key";

export const changesOperations: readonly Operation[] = [
  {
    id: "followChanges",
    method: "get",
    path: "/changes",
    tag: "Service",
    link: "changes",
    summary: "Follow the changes of all logs, subscriptions, consumers and keys",
    description:
      "Server-sent events of type `changes`, at most 4 a second, without events of logs: `data` has only the changes since the message before, as far as the sender may learn of them. The first message has every head; read lists after it, and again after each new connection. The stream ends when the store is restored.",
    access: "known",
    // Loaded at the first request: most stores have no observer.
    handle: async (c, deps) => (await import("./changes.ts")).getChanges(c, deps),
    describe: ({ z, logHeader, problem }) => ({
      responses: {
        200: {
          description: "The changes, until the client or the server ends the stream",
          headers: logHeader,
          content: { "text/event-stream": { schema: z.string().openapi({ description: DATA }) } },
        },
        default: problem,
      },
    }),
  },
];
