import { jsonPost } from "../../support/app.ts";

/*
 * The senders of each request, written by hand from the rules: the matrix does not derive its expectations from the code.
 */

/** The keys of the matrix: grants, and a consumer after `as`. */
export const HOLDERS = [
  "append:/streams/order-1",
  "append:/streams/order-*",
  "append:/streams/user-*",
  "read:/streams/order-1",
  "read:/streams/order-*",
  "erase:/streams/order-*",
  "read:/events",
  "read:/events?subjectPrefix=order-",
  "read:/events as cards",
  "read:/feeds/orders",
  "read:/feeds/orders/v1",
  "read:/feeds/orders?subjectPrefix=order-",
  "read:/feeds/orders?subjectPrefix=user-",
  "read:/feeds/orders as cards",
  "read:/feeds/users",
  "read:/feeds/us*",
  "manage:/feeds",
  "manage:/feeds/orders",
  "manage:/events",
  "manage:/operations",
  "manage:/subscriptions",
  "manage:/subscriptions read:/events",
  "manage:/subscriptions read:/feeds/orders",
  "read:/operations",
  "read:/metrics",
  "admin",
  "admin as cards",
] as const;

export type Holder = (typeof HOLDERS)[number];

/** `everyone`: also without credentials; `known`: all keys. */
type Allowed = "everyone" | "known" | readonly Holder[];

export interface Expectation {
  readonly path: string;
  readonly init?: RequestInit;
  readonly allowed: Allowed;
  /** The answer to the holder of `admin` who is bound to the consumer `cards`. */
  readonly status: number;
  /** The answer to a sender without valid credentials. Default: `status` for everyone, or else 401. */
  readonly anonymous?: number;
  /** Those to whom the thing does not exist: 404. */
  readonly hidden?: readonly Holder[];
}

const ADMINS: readonly Holder[] = ["admin", "admin as cards"];
const READERS: readonly Holder[] = [
  "read:/events",
  "read:/events as cards",
  "manage:/subscriptions read:/events",
  ...ADMINS,
];
const ORDER_READERS: readonly Holder[] = [
  ...READERS,
  "read:/streams/order-*",
  "read:/events?subjectPrefix=order-",
];
const FEED_READERS: readonly Holder[] = [
  "read:/feeds/orders",
  "read:/feeds/orders/v1",
  "read:/feeds/orders as cards",
  "manage:/subscriptions read:/feeds/orders",
  ...ADMINS,
];
const ORDERS_OF_FEED: readonly Holder[] = [...FEED_READERS, "read:/feeds/orders?subjectPrefix=order-"];
const SOME_OF_FEED: readonly Holder[] = [...ORDERS_OF_FEED, "read:/feeds/orders?subjectPrefix=user-"];
const FEED_MANAGERS: readonly Holder[] = ["manage:/feeds", "manage:/feeds/orders", ...ADMINS];
const SUBSCRIBERS: readonly Holder[] = ["manage:/subscriptions read:/events", ...ADMINS];
const BLIND: readonly Holder[] = ["manage:/subscriptions", "manage:/subscriptions read:/feeds/orders"];

const EVENTS = { events: [{ type: "A", data: 1 }] };
const COMMIT = { method: "PUT", body: JSON.stringify({ position: 1 }) };

function known(path: string, status = 200): readonly Expectation[] {
  return [{ path, allowed: "known", status }];
}

/** A request about one subscription on `/events`. `SUBSCRIPTION` stands for its id. */
function ofSubscription(below: string, init: RequestInit = {}, status = 200): readonly Expectation[] {
  const path = `/subscriptions/SUBSCRIPTION${below}`;
  return [{ path, init, allowed: SUBSCRIBERS, hidden: BLIND, status }];
}

function consumersOf(
  log: string,
  managers: readonly Holder[],
  own: readonly Holder[],
): Readonly<Record<"list" | "get" | "lag" | "commit" | "remove", readonly Expectation[]>> {
  const [cards, other] = [`${log}/consumers/cards`, `${log}/consumers/other`];
  return {
    list: [{ path: `${log}/consumers`, allowed: managers, status: 200 }],
    get: [
      { path: cards, allowed: [...managers, ...own], status: 200 },
      { path: other, allowed: managers, status: 404 },
    ],
    lag: [
      { path: `${cards}/lag`, allowed: [...managers, ...own], status: 200 },
      { path: `${other}/lag`, allowed: managers, status: 404 },
    ],
    commit: [
      { path: cards, init: COMMIT, allowed: own, status: 200 },
      { path: other, init: COMMIT, allowed: [], status: 403 },
    ],
    remove: [
      { path: other, init: { method: "DELETE" }, allowed: managers, status: 404 },
      { path: cards, init: { method: "DELETE" }, allowed: [...managers, ...own], status: 204 },
    ],
  };
}

const OF_EVENTS = consumersOf(
  "/events",
  ["manage:/events", ...ADMINS],
  ["read:/events as cards", "admin as cards"],
);
const OF_FEED = consumersOf("/feeds/orders/v1", FEED_MANAGERS, [
  "read:/feeds/orders as cards",
  "admin as cards",
]);

const OF_OPERATIONS = consumersOf("/operations", ["manage:/operations", ...ADMINS], ["admin as cards"]);
const OPERATORS: readonly Holder[] = ["read:/operations", ...ADMINS];

const DELETE = { method: "DELETE" };
const POST = { method: "POST" };

/** Requests for each route, by the id of its operation, or its path if it has none. Those that remove things come last. */
export const EXPECTATIONS: Readonly<Record<string, readonly Expectation[]>> = {
  append: [
    {
      path: "/streams/order-1",
      init: jsonPost(EVENTS),
      allowed: ["append:/streams/order-1", "append:/streams/order-*", ...ADMINS],
      status: 201,
    },
    {
      path: "/streams/order-1%2Fx",
      init: jsonPost(EVENTS),
      allowed: ["append:/streams/order-*", ...ADMINS],
      status: 201,
    },
    { path: "/streams/User-1", init: jsonPost(EVENTS), allowed: ADMINS, status: 201 },
  ],
  transact: [
    {
      path: "/transactions",
      init: jsonPost({
        appends: [
          { stream: "order-1", ...EVENTS },
          { stream: "order-2", ...EVENTS },
        ],
      }),
      allowed: ["append:/streams/order-*", ...ADMINS],
      status: 201,
    },
    {
      path: "/transactions",
      init: jsonPost({
        appends: [
          { stream: "order-1", ...EVENTS },
          { stream: "user-1", ...EVENTS },
        ],
      }),
      allowed: ADMINS,
      status: 201,
    },
  ],
  // The grant of each append is decided within the answer, which scopes.test.ts asserts.
  appendAll: [
    { path: "/appends", init: jsonPost([{ stream: "order-1", ...EVENTS }]), allowed: "known", status: 200 },
    { path: "/appends", init: jsonPost([{ stream: "none" }]), allowed: "known", status: 422 },
  ],
  findAppend: known("/appends/none", 404),
  readStream: [
    { path: "/streams/order-1", allowed: [...ORDER_READERS, "read:/streams/order-1"], status: 200 },
    { path: "/streams/order-none", allowed: ORDER_READERS, status: 404 },
    { path: "/streams/none", allowed: READERS, status: 404 },
  ],
  listStreams: [
    { path: "/streams", allowed: READERS, status: 200 },
    { path: "/streams?prefix=order-1", allowed: ORDER_READERS, status: 200 },
    { path: "/streams?prefix=order", allowed: READERS, status: 200 },
  ],
  readEvents: [
    { path: "/events", allowed: READERS, status: 200 },
    { path: "/events?subjectPrefix=order-", allowed: ORDER_READERS, status: 200 },
    { path: "/events?subjectPrefix=order", allowed: READERS, status: 200 },
  ],
  readCorrelated: [{ path: "/events/correlated?id=a", allowed: READERS, status: 409 }],
  listConsumers: OF_EVENTS.list,
  commitConsumer: OF_EVENTS.commit,
  getConsumer: OF_EVENTS.get,
  readConsumerLag: OF_EVENTS.lag,
  removeConsumer: OF_EVENTS.remove,
  listFeeds: known("/feeds"),
  readFeed: [
    { path: "/feeds/orders/v1", allowed: SOME_OF_FEED, status: 200 },
    { path: "/feeds/orders/v1?subjectPrefix=order-1", allowed: ORDERS_OF_FEED, status: 200 },
    { path: "/feeds/orders/v1?subjectPrefix=", allowed: FEED_READERS, status: 200 },
    {
      path: "/feeds/orders/v2",
      allowed: SOME_OF_FEED.filter((holder) => !holder.endsWith("/v1")),
      status: 404,
    },
    { path: "/feeds/orders%2Fv1/v1", allowed: ADMINS, status: 404 },
    { path: "/feeds/open/v1", allowed: "everyone", status: 200 },
    { path: "/feeds/none/v1", allowed: ADMINS, status: 404 },
  ],
  listSubjects: [
    { path: "/feeds/orders/v1/subjects", allowed: SOME_OF_FEED, status: 200 },
    { path: "/feeds/orders/v1/subjects?prefix=order-1", allowed: ORDERS_OF_FEED, status: 200 },
    { path: "/feeds/open/v1/subjects", allowed: "everyone", status: 200 },
  ],
  readSubject: [
    { path: "/feeds/orders/v1/subjects/order-1", allowed: ORDERS_OF_FEED, status: 200 },
    { path: "/feeds/orders/v1/subjects/order-none", allowed: ORDERS_OF_FEED, status: 404 },
    { path: "/feeds/orders/v1/subjects/none", allowed: FEED_READERS, status: 404 },
    { path: "/feeds/open/v1/subjects/order-1", allowed: "everyone", status: 200 },
  ],
  feedStatus: [
    { path: "/feeds/orders/v1/status", allowed: [...SOME_OF_FEED, ...FEED_MANAGERS], status: 200 },
    { path: "/feeds/open/v1/status", allowed: "everyone", status: 200 },
  ],
  feedSchemas: [
    { path: "/feeds/orders/v1/schemas", allowed: [...SOME_OF_FEED, ...FEED_MANAGERS], status: 200 },
    { path: "/feeds/open/v1/schemas", allowed: "everyone", status: 200 },
  ],
  rebuildFeed: [
    { path: "/feeds/orders/v1/rebuild", init: POST, allowed: FEED_MANAGERS, status: 202 },
    { path: "/feeds/open/v1/rebuild", init: POST, allowed: ["manage:/feeds", ...ADMINS], status: 409 },
  ],
  resumeFeed: [{ path: "/feeds/orders/v1/resume", init: POST, allowed: FEED_MANAGERS, status: 200 }],
  listConsumersOfFeed: OF_FEED.list,
  commitConsumerOfFeed: OF_FEED.commit,
  getConsumerOfFeed: OF_FEED.get,
  readConsumerLagOfFeed: OF_FEED.lag,
  removeConsumerOfFeed: OF_FEED.remove,
  listKeys: [{ path: "/keys", allowed: ADMINS, status: 200 }],
  createKey: [{ path: "/keys", init: jsonPost({}), allowed: ADMINS, status: 422 }],
  getKey: [{ path: "/keys/aaaaaaaaaaaa", allowed: ADMINS, status: 404 }],
  revokeKey: [{ path: "/keys/aaaaaaaaaaaa", init: DELETE, allowed: ADMINS, status: 404 }],
  rotateKey: [{ path: "/keys/aaaaaaaaaaaa/rotate", init: POST, allowed: ADMINS, status: 404 }],
  listSubscriptions: [{ path: "/subscriptions", allowed: [...SUBSCRIBERS, ...BLIND], status: 200 }],
  createSubscription: [
    {
      path: "/subscriptions",
      init: jsonPost({ source: "/events", url: "http://127.0.0.1:9/hook" }),
      allowed: SUBSCRIBERS,
      status: 201,
    },
    {
      path: "/subscriptions",
      init: jsonPost({ source: "/feeds/orders/v1", url: "http://127.0.0.1:9/hook" }),
      allowed: ["manage:/subscriptions read:/feeds/orders", ...ADMINS],
      status: 201,
    },
    {
      path: "/subscriptions",
      init: jsonPost({ source: "/feeds/none/v1", url: "http://127.0.0.1:9/hook" }),
      allowed: ADMINS,
      status: 422,
    },
  ],
  getSubscription: ofSubscription(""),
  changeSubscription: ofSubscription("", { method: "PATCH", body: '{"description":"changed"}' }),
  pauseSubscription: ofSubscription("/pause", POST),
  resumeSubscription: ofSubscription("/resume", POST),
  rewindSubscription: ofSubscription("/rewind", { method: "POST", body: '{"dryRun":true}' }),
  testSubscription: ofSubscription("/test", POST),
  rotateSecret: ofSubscription("/rotate-secret", POST),
  listAttempts: ofSubscription("/attempts"),
  listBlocked: ofSubscription("/blocked"),
  retryBlocked: ofSubscription("/blocked/order-1/retry", POST, 409),
  skipBlocked: ofSubscription("/blocked/order-1/skip", POST, 409),
  listSkips: ofSubscription("/skips"),
  removeSubscription: ofSubscription("", DELETE, 204),
  readOperations: [{ path: "/operations", allowed: OPERATORS, status: 200 }],
  listOperationSubjects: [{ path: "/operations/subjects", allowed: OPERATORS, status: 200 }],
  readOperationSubject: [{ path: "/operations/subjects/none", allowed: OPERATORS, status: 404 }],
  listConsumersOfOperations: OF_OPERATIONS.list,
  commitConsumerOfOperations: OF_OPERATIONS.commit,
  getConsumerOfOperations: OF_OPERATIONS.get,
  readConsumerLagOfOperations: OF_OPERATIONS.lag,
  removeConsumerOfOperations: OF_OPERATIONS.remove,
  getSession: known("/session"),
  openSession: [
    {
      path: "/session",
      init: jsonPost({ token: "garbage" }),
      allowed: "everyone",
      anonymous: 401,
      status: 201,
    },
  ],
  endSession: [{ path: "/session", init: DELETE, allowed: "everyone", status: 204 }],
  startSignIn: [{ path: "/session/oidc", allowed: "everyone", status: 404 }],
  completeSignIn: [{ path: "/session/oidc/callback", allowed: "everyone", status: 404 }],
  index: known("/"),
  overview: known("/overview"),
  followChanges: known("/changes"),
  openApi: known("/openapi.json"),
  asyncApi: known("/asyncapi.json"),
  health: [{ path: "/health", allowed: "everyone", status: 200 }],
  ready: [{ path: "/ready", allowed: "everyone", status: 200 }],
  metrics: [{ path: "/metrics", allowed: ["read:/metrics", ...ADMINS], status: 200 }],
  problemType: known("/problems/forbidden"),
  "/docs": known("/docs"),
  "/docs/{page}": known("/docs/api"),
  "/docs/{section}/{page}": known("/docs/start/first-stream"),
  "/docs/": known("/docs/", 308),
  "/console": [{ path: "/console", allowed: "everyone", status: 200 }],
  "/console/{page}": [{ path: "/console/streams", allowed: "everyone", status: 200 }],
  "/console/{page}/{name}": [{ path: "/console/webhooks/none", allowed: "everyone", status: 200 }],
  "/console/{page}/{name}/{version}": [
    { path: "/console/feeds/orders/v1", allowed: "everyone", status: 200 },
  ],
  "/console/": [{ path: "/console/", allowed: "everyone", status: 308 }],
  "/console/{page}/": [{ path: "/console/streams/", allowed: "everyone", status: 308 }],
  "/console/{page}/{name}/": [{ path: "/console/webhooks/none/", allowed: "everyone", status: 308 }],
  "/console/{page}/{name}/{version}/": [
    { path: "/console/feeds/orders/v1/", allowed: "everyone", status: 308 },
  ],
  retireFeed: [
    { path: "/feeds/orders/v1?force=true", init: DELETE, allowed: FEED_MANAGERS, status: 202 },
    { path: "/feeds/none/v1", init: DELETE, allowed: ["manage:/feeds", ...ADMINS], status: 404 },
  ],
  deleteStream: [
    {
      path: "/streams/order-1?reason=requested",
      init: DELETE,
      allowed: ["erase:/streams/order-*", ...ADMINS],
      status: 200,
    },
    { path: "/streams/user-1?before=1", init: DELETE, allowed: ADMINS, status: 200 },
  ],
};
