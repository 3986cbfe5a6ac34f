import type { Operation } from "../operation.ts";

export const overviewOperations: readonly Operation[] = [
  {
    id: "overview",
    method: "get",
    path: "/overview",
    tag: "Service",
    link: "overview",
    summary: "Read the state of the store, with what a person should look at",
    description:
      "Feeds, consumers and subscriptions count as far as the sender may learn of them: a feed if it may read some of it or manage it, the consumers of logs that it may manage, and subscriptions as `GET /subscriptions` lists them.",
    access: "known",
    // Loaded at the first request: most stores are asked by a program, which reads the metrics.
    handle: async (c, deps) => (await import("./overview.ts")).getOverview(c, deps),
    describe: ({ json, answers, problem }) => ({
      responses: { 200: json(answers.overview, "The state of the store"), default: problem },
    }),
  },
];
