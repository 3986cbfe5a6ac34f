import { type OptionNames, refuseUnknownOptions } from "../core/known-options.ts";
import type { ClientOptions } from "./client.ts";
import type { ApiKeyRotation } from "./key-types.ts";
import type { ReasonOptions } from "./stated-reason.ts";
import type { CorrelatedOptions } from "./correlated.ts";
import type { ChangesOptions } from "./store-types.ts";
import type { AttemptsOptions, SubscriptionsOptions } from "./subscription-types.ts";
import type { FetchTextOptions } from "./fetch-text.ts";
import { checkedToken } from "./token.ts";
import type * as types from "./types.ts";

const CLIENT: OptionNames<ClientOptions> = {
  url: true,
  token: true,
  headers: true,
  consumer: true,
  compression: true,
  retry: true,
  timeouts: true,
  onRetry: true,
  fetch: true,
  sleep: true,
  random: true,
};

const APPEND: OptionNames<types.AppendOptions> = {
  expectedVersion: true,
  idempotencyKey: true,
  logIdentity: true,
  onLog: true,
  signal: true,
};

const FILTER: OptionNames<types.Filter> = { types: true, streamPrefix: true };

const READ: OptionNames<types.ReadOptions> = {
  ...FILTER,
  stream: true,
  feed: true,
  subject: true,
  position: true,
  lastEventId: true,
  direction: true,
  limit: true,
  pageSize: true,
  timeout: true,
  afterVersion: true,
  toVersion: true,
  asOf: true,
  onLog: true,
  signal: true,
};

const FOLLOW: OptionNames<types.FollowOptions> = {
  ...FILTER,
  stream: true,
  feed: true,
  subject: true,
  lastEventId: true,
  onLog: true,
  signal: true,
};

const LIST: OptionNames<types.ListOptions> = {
  prefix: true,
  changedSince: true,
  position: true,
  pageSize: true,
  signal: true,
};

const SUBJECTS: OptionNames<types.SubjectsOptions> = { ...LIST, feed: true, after: true };

const { expectedVersion: _, ...TRANSACT } = APPEND;

const LIST_PART: OptionNames<types.ListPart> = { after: true, pageSize: true, signal: true };
const REASON: OptionNames<ReasonOptions> = { reason: true };

/** Names of the options of each method of a client. */
const METHODS = {
  append: APPEND,
  transact: TRANSACT,
  read: READ,
  readPages: READ,
  follow: FOLLOW,
  streams: LIST,
  subjectPages: SUBJECTS,
  history: { feed: true, identity: true } satisfies OptionNames<types.HistoryOptions>,
  commit: {
    feed: true,
    consumer: true,
    rewind: true,
    blocked: true,
    failure: true,
    reason: true,
  } satisfies OptionNames<types.CommitOptions>,
  consumers: { ...LIST_PART, prefix: true, states: true } satisfies OptionNames<types.ConsumersOptions>,
  "keys.list": LIST_PART,
  "subscriptions.list": {
    ...LIST_PART,
    statuses: true,
    source: true,
  } satisfies OptionNames<SubscriptionsOptions>,
  "subscriptions.blocked": LIST_PART,
  "subscriptions.attempts": {
    outcome: true,
    before: true,
    limit: true,
    signal: true,
  } satisfies OptionNames<AttemptsOptions>,
  changes: { onOpen: true, signal: true } satisfies OptionNames<ChangesOptions>,
  correlated: { after: true, limit: true, signal: true } satisfies OptionNames<CorrelatedOptions>,
  forgetConsumer: REASON,
  truncate: REASON,
  erase: { version: true },
  "feeds.retire": { force: true, ...REASON },
  "feeds.rebuild": REASON,
  "feeds.resume": REASON,
  "keys.create": REASON,
  "keys.rotate": { overlapSeconds: true, expires: true, ...REASON } satisfies OptionNames<ApiKeyRotation>,
  "keys.revoke": REASON,
  "subscriptions.create": REASON,
  "subscriptions.change": REASON,
  "subscriptions.remove": REASON,
  "subscriptions.resume": REASON,
  fetchText: { accept: true, signal: true } satisfies OptionNames<FetchTextOptions>,
} as const;

/** Returns the options of a method, or throws a TypeError for one that the method does not have. */
export function optionsOf<Options extends object>(method: keyof typeof METHODS, options: Options): Options {
  refuseUnknownOptions(method, options, METHODS[method]);
  return options;
}

/** Removes slashes from the end of the server's address. Throws a TypeError with an example for an invalid address. */
function serverUrl(url: unknown): string {
  const example = 'write the address of the server, such as "http://127.0.0.1:4000"';
  if (typeof url !== "string" || url === "") {
    throw new TypeError(`createClient: url is ${url === "" ? "empty" : typeof url}; ${example}`);
  }
  const shown = JSON.stringify(url);
  if (!/^https?:\/\//i.test(url)) {
    const meant = `http://${url.replace(/^\/+/, "")}`;
    const isMeant = !url.includes("://") && URL.canParse(meant);
    throw new TypeError(
      `createClient: url ${shown} must begin with http:// or https://; ${isMeant ? `write ${JSON.stringify(meant)}` : example}`,
    );
  }
  if (!URL.canParse(url)) throw new TypeError(`createClient: url ${shown} is not an address; ${example}`);
  const { username, password, search, hash } = new URL(url);
  if (username !== "" || password !== "") {
    throw new TypeError("createClient: url must not have a user or password; state a `token`, or `headers`");
  }
  if (search !== "" || hash !== "") {
    throw new TypeError(`createClient: url ${shown} must end before "?" and "#": paths of the API follow it`);
  }
  return url.replace(/\/+$/, "");
}

function checkToken({ token, headers = {} }: ClientOptions): void {
  if (token === undefined) return;
  if (typeof token !== "function") checkedToken(token, "createClient: token");
  if (Object.keys(headers).some((name) => name.toLowerCase() === "authorization"))
    throw new TypeError("createClient: state `token` or the header `authorization`, not both");
}

/**
 * Checks the options of a client and returns the address of the server. Throws a TypeError for an unknown option, or
 * an invalid address or token.
 */
export function checkedUrl(options: ClientOptions, retry: object, timeouts: object): string {
  refuseUnknownOptions("createClient", options, CLIENT);
  refuseUnknownOptions("createClient, retry", options.retry ?? {}, retry);
  refuseUnknownOptions("createClient, timeouts", options.timeouts ?? {}, timeouts);
  checkToken(options);
  return serverUrl(options.url);
}
