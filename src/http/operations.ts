import { OPERATIONS_PATH } from "../administration/operations-log.ts";
import { administrationOperations } from "./administration/operations.ts";
import { changesOperations } from "./changes/operations.ts";
import { consumerOperations } from "./consumers/operations.ts";
import { consumerAccess } from "./consumers/consumer-access.ts";
import { isPublicFeed } from "./feeds/feed-access.ts";
import { versionOf } from "./feeds/feed-in-path.ts";
import { existingFeed } from "./feeds/feeds.ts";
import { FEED_PATH, feedOperations } from "./feeds/operations.ts";
import { keyOperations } from "./keys/operations.ts";
import { logOperations } from "./log/operations.ts";
import type { Operation, Route } from "./operation.ts";
import { consoleRoutes } from "./service/console.ts";
import { docsRoutes } from "./service/docs.ts";
import { overviewOperations } from "./overview/operations.ts";
import { serviceOperations } from "./service/operations.ts";
import { sessionOperations } from "./session/operations.ts";
import { streamOperations } from "./streams/operations.ts";
import { subscriptionOperations } from "./subscriptions/operations.ts";

/** Every operation of the HTTP API, in the order of its documentation. */
export const OPERATIONS: readonly Operation[] = [
  ...streamOperations,
  ...logOperations,
  ...consumerOperations({
    path: "/events",
    idSuffix: "",
    logOf: (_, { reader }) => reader,
    params: () => null,
    access: consumerAccess({ path: "/events", pathOf: () => "/events", isPublic: () => false }),
  }),
  ...feedOperations,
  ...consumerOperations({
    path: FEED_PATH,
    idSuffix: "OfFeed",
    logOf: async (c, deps) => (await existingFeed(c, deps)).reader,
    params: ({ params }) => params.feed,
    access: consumerAccess({ path: FEED_PATH, pathOf: (c) => versionOf(c).path, isPublic: isPublicFeed }),
  }),
  ...subscriptionOperations,
  ...administrationOperations,
  ...consumerOperations({
    path: OPERATIONS_PATH,
    idSuffix: "OfOperations",
    logOf: (_, { operations }) => operations.reader(),
    params: () => null,
    access: consumerAccess({
      path: OPERATIONS_PATH,
      pathOf: () => OPERATIONS_PATH,
      isPublic: () => false,
    }),
  }),
  ...sessionOperations,
  ...keyOperations,
  ...overviewOperations,
  ...changesOperations,
  ...serviceOperations({ operations: () => OPERATIONS, routes: () => ROUTES }),
];

/** Every route of a store: the operations, and the pages of the documentation and of the console. */
export const ROUTES: readonly Route[] = [...OPERATIONS, ...docsRoutes, ...consoleRoutes];
