import { readAbout, type ServerInfo } from "./about.ts";
import { type Append, createAppends } from "./append-queue.ts";
import { appendInSpan } from "./append-span.ts";
import { findAppend } from "./appends.ts";
import { followChanges } from "./changes.ts";
import { type CorrelatedEvents, type CorrelatedOptions, readCorrelated } from "./correlated.ts";
import type { FeedCatalog } from "./feed-types.ts";
import { createFeedCatalog } from "./feeds.ts";
import { fetchText, type FetchTextOptions } from "./fetch-text.ts";
import { follow } from "./follow.ts";
import { readHistory } from "./history.ts";
import { newIdempotencyKey } from "./idempotency-key.ts";
import type { ApiKeys } from "./key-types.ts";
import { createKeys } from "./keys.ts";
import { commitPosition, forgetConsumer, listConsumers, readConsumerLag } from "./consumers.ts";
import { sendRead } from "./position.ts";
import { nodeTransport } from "./node-transport.ts";
import { checkedUrl, optionsOf } from "./options.ts";
import { logPath, queryString, readPages } from "./read.ts";
import { startTimer } from "../core/timer.ts";
import { createAttempts, TIMEOUTS, type Timeouts } from "./deadline.ts";
import { MAX_RETRY_AFTER_MS, type Retry } from "./retry.ts";
import { readOverview } from "./overview.ts";
import type { RequestDeps } from "./request.ts";
import { createSession, type SenderSession } from "./session.ts";
import { sleepFor } from "./sleep.ts";
import { type ReasonOptions, reasonHeaders } from "./stated-reason.ts";
import type { ChangesOptions, StoreChanges, StoreOverview } from "./store-types.ts";
import { listStreams, subjectPages } from "./subjects.ts";
import type { Subscriptions } from "./subscription-types.ts";
import { createSubscriptions } from "./subscriptions.ts";
import { fetchWithToken, type TokenSource } from "./token.ts";
import { fetchTransport } from "./http-transport.ts";
import type * as types from "./types.ts";
import { postTransaction, removeEvents } from "./writes.ts";

export interface ClientOptions {
  /** Address of the server: `http://127.0.0.1:4000`. A path is kept: `https://example.org/kilde`. */
  readonly url: string;
  /**
   * Bearer token of each request: the token of an API key, or of an issuer that the server trusts. A function is called
   * for each attempt, also while following, and once more after a 401; if it fails, the attempt counts as one at an
   * unreachable server. Default: none.
   */
  readonly token?: TokenSource;
  /** Headers of each request, for a proxy that requires some. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Name under which the server records the reads and the progress of this client (`Kilde-Consumer`). */
  readonly consumer?: string;
  /** Requests compressed answers, which help only over slow networks. Default: false. */
  readonly compression?: boolean;
  /**
   * How the client retries requests that are safe to repeat. Default: 5 attempts, with a delay that doubles from 100
   * ms to 5,000 ms; `Retry-After` is honored up to an hour.
   */
  readonly retry?: Partial<Retry>;
  /**
   * Longest waits for the server. Default: 12,000 ms for an answer to begin (`answerMs`), 15,000 ms of silence within
   * an answer (`silenceMs`). The client then retries requests that are safe to repeat; others reject with a
   * KildeUnreachableError whose `isOutcomeUnknown` is true.
   */
  readonly timeouts?: Partial<Timeouts>;
  /** Called with the error of each attempt that the client will retry, such as following a log of an absent server. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /**
   * Sends the requests. Default: `node:http` in Node, which is faster, and the `fetch` of the runtime elsewhere, and in
   * Node when the program has set a global dispatcher, such as one for a proxy.
   */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Default: the timers and the random numbers of the runtime. */
  readonly sleep?: RequestDeps["sleep"];
  readonly random?: RequestDeps["random"];
}

/**
 * A client of one server. Its reads of the event log include its own appends, also when a replica answers. Every
 * method throws a KildeError with the `code` of the problem when the server rejects a request.
 */
export interface Client {
  /**
   * Appends one or more events to a stream, all or none. Appends that are issued while another is under way share a
   * request; those to the same stream take effect in the order of the calls.
   */
  append(
    stream: string,
    events: types.NewEvent | readonly types.NewEvent[],
    options?: types.AppendOptions,
  ): Promise<types.Appended>;
  /** Appends to several streams, all or none; a stream may occur several times. */
  transact(
    appends: readonly types.StreamAppend[],
    options?: Omit<types.AppendOptions, "expectedVersion">,
  ): Promise<readonly types.Appended[]>;
  /**
   * Fetches the result of an append by its idempotency key, for a caller that lost the answer: one entry for each
   * stream that the append named. Null when there was no such append, or its key has expired.
   */
  findAppend(idempotencyKey: string): Promise<readonly types.Appended[] | null>;
  /** Reads events in order, up to the end of the log at the time it is reached. */
  read<Data = unknown>(options?: types.ReadOptions): AsyncGenerator<types.KildeEvent<Data>, void, undefined>;
  /** Reads the same events, one page per request. */
  readPages<Data = unknown>(
    options?: types.ReadOptions,
  ): AsyncGenerator<types.KildeEvent<Data>[], void, undefined>;
  /** Reads events in order and waits for new ones. Reconnects automatically, without a gap or a repeat. */
  follow<Data = unknown>(
    options?: types.FollowOptions,
  ): AsyncGenerator<types.KildeEvent<Data>, void, undefined>;
  /** Lists streams by name, or those that changed. */
  streams(options?: types.ListOptions): AsyncGenerator<types.StreamInfo, void, undefined>;
  /** Lists subjects of a feed, or streams, by name or those that changed; one page per request. */
  subjectPages(options?: types.SubjectsOptions): AsyncGenerator<types.SubjectInfo[], void, undefined>;
  /** Position of the last event of the event log, or of a feed; 0 when there is none. */
  head(feed?: types.FeedVersion): Promise<number>;
  /**
   * Fetches the identity and head of the event log or of a feed. With a former `identity`, also the last position
   * that the log has in common with that history: a restore of the server gives each log a new identity.
   */
  history(options?: types.HistoryOptions): Promise<types.LogHistory>;
  /**
   * Records that a consumer has processed everything up to a position. Throws a KildeError `cursor-moved-back` for a
   * position before the committed one, unless `rewind` is true.
   */
  commit(position: number, options?: types.CommitOptions): Promise<types.ConsumerInfo>;
  /** Lists the consumers of the event log or of a feed, in order of name. */
  consumers(
    feed?: types.FeedVersion,
    options?: types.ConsumersOptions,
  ): AsyncGenerator<types.ConsumerInfo, void, undefined>;
  /** Reads the lag of a consumer of the event log or of a feed in the last 24 hours. */
  consumerLag(consumer: string, feed?: types.FeedVersion): Promise<types.ConsumerLag>;
  /** Forgets a consumer of the event log or of a feed, with its positions, until it reads again. */
  forgetConsumer(consumer: string, feed?: types.FeedVersion, options?: ReasonOptions): Promise<void>;
  /** Reads the state of the store: counts of feeds, consumers and subscriptions, and what a person should look at. */
  overview(): Promise<StoreOverview>;
  /**
   * Follows the changes of all logs, subscriptions, consumers and keys, without events: at most four messages a second, each
   * with the changes since the one before. The first one of a connection has every head. Reconnects automatically.
   */
  changes(options?: ChangesOptions): AsyncGenerator<StoreChanges, void, undefined>;
  /**
   * Reads the events of the event log with a correlation id, page by page. Throws a KildeError `correlations-off` unless the
   * server has the setting `correlations`.
   */
  correlated<Data = unknown>(id: string, options?: CorrelatedOptions): Promise<CorrelatedEvents<Data>>;
  /** Removes the events of a stream before a version. Returns the stream's first version. */
  truncate(stream: string, before: number, options?: ReasonOptions): Promise<number>;
  /** Removes all events of a stream, and leaves a tombstone with the reason. Returns the tombstone's version. */
  erase(stream: string, reason: string, options?: { readonly version?: number }): Promise<number>;
  /** Fetches the name and version of the server, and the paths of its API. */
  about(): Promise<ServerInfo>;
  /**
   * Fetches an answer of the API as text, with the credentials, retries and errors of this client: for operations and
   * representations that have no method.
   */
  fetchText(path: string, options?: FetchTextOptions): Promise<string>;
  /** Versions of feeds. */
  readonly feeds: FeedCatalog;
  /** The sender of this client's requests. */
  readonly session: SenderSession;
  /** Webhook subscriptions. */
  readonly subscriptions: Subscriptions;
  /** API keys. */
  readonly keys: ApiKeys;
}

const RETRY: Retry = { attempts: 5, delayMs: 100, maxDelayMs: 5_000, maxRetryAfterMs: MAX_RETRY_AFTER_MS };

const positionOf = ({ position }: types.Appended): number => position;

async function* eventsOf<Data>(
  pages: AsyncIterable<types.KildeEvent<Data>[]>,
): AsyncGenerator<types.KildeEvent<Data>, void, undefined> {
  // `yield*` would wait for each event of a page as for a promise.
  for await (const page of pages) for (const event of page) yield event;
}

/**
 * Creates a client. It holds no connection and needs no closing. Throws a TypeError for an unknown option, here and
 * in every method, for a `url` that does not begin with `http://` or `https://`, and for an invalid `token`.
 *
 * @example
 * ```ts
 * import { createClient, KildeError } from "kilde/client";
 *
 * const client = createClient({ url: "http://127.0.0.1:4000" });
 * const { version } = await client.append("user-1", { type: "UserRegistered", data: { name: "Ida" } });
 * try {
 *   await client.append("user-1", { type: "UserRenamed" }, { expectedVersion: version });
 * } catch (error) {
 *   if (!(error instanceof KildeError) || error.code !== "version-conflict") throw error;
 * }
 * for await (const event of client.read({ stream: "user-1" })) console.log(event.version, event.type);
 * ```
 */
export function createClient(options: ClientOptions): Client {
  return clientOf(requestDepsOf(options), options.consumer);
}

/** The dependencies of a client with these options. Throws a TypeError as {@link createClient} does. */
export function requestDepsOf(options: ClientOptions): RequestDeps {
  const { token } = options;
  const send =
    options.fetch === undefined
      ? (nodeTransport() ?? fetchTransport((url, init) => fetch(url, init)))
      : fetchTransport(options.fetch);
  return {
    url: checkedUrl(options, RETRY, TIMEOUTS),
    fetch: token === undefined ? send : fetchWithToken(send, token),
    headers: {
      ...(options.compression === true ? {} : { "accept-encoding": "identity" }),
      ...(options.consumer === undefined ? {} : { "kilde-consumer": encodeURIComponent(options.consumer) }),
      ...options.headers,
    },
    retry: { ...RETRY, ...options.retry },
    timeouts: { ...TIMEOUTS, ...options.timeouts },
    startAttempt: createAttempts(startTimer),
    onRetry: options.onRetry,
    sleep: options.sleep ?? sleepFor,
    random: options.random ?? Math.random,
    now: () => Date.now(),
    known: { position: 0, identity: null },
    suspicion: { left: 0 },
  };
}

/** Creates a client that shares the dependencies and the knowledge of the log with others. */
export function clientOf(deps: RequestDeps, own?: string, append: Append = createAppends(deps)): Client {
  return {
    append(stream, events, appendOptions = {}) {
      const { expectedVersion } = optionsOf("append", appendOptions);
      const body = { events: [events].flat(), expectedVersion };
      const spanned = { events: body.events.length, url: deps.url, positionOf };
      return appendInSpan(spanned, (trace) => append(stream, body, appendOptions, trace));
    },
    transact: (appends, transactOptions = {}) =>
      postTransaction(deps, appends, optionsOf("transact", transactOptions)),
    findAppend: (idempotencyKey) => findAppend(deps, idempotencyKey),
    read: <Data>(readOptions: types.ReadOptions = {}) =>
      eventsOf(readPages<Data>(deps, optionsOf("read", readOptions))),
    readPages: (readOptions = {}) => readPages(deps, optionsOf("readPages", readOptions)),
    follow: (followOptions = {}) => follow(deps, optionsOf("follow", followOptions)),
    streams: (listOptions = {}) => listStreams(deps, optionsOf("streams", listOptions)),
    subjectPages: (subjectsOptions = {}) => subjectPages(deps, optionsOf("subjectPages", subjectsOptions)),
    head: (feed) =>
      sendRead(
        deps,
        `${logPath(feed)}${queryString({ limit: 1, direction: "backwards" })}`,
        { method: "HEAD" },
        async (response) => Number(response.headers.get("kilde-head")),
        { feed },
      ),
    history: (historyOptions = {}) => readHistory(deps, optionsOf("history", historyOptions)),
    commit(position, commitOptions = {}) {
      const { feed, consumer = own, reason, ...progress } = optionsOf("commit", commitOptions);
      const { rewind, blocked, failure } = progress;
      if (consumer === undefined) throw new TypeError("commit: state `consumer`, here or of the client");
      const stored = { position, rewind, blocked, failure };
      return commitPosition(deps, logPath(feed), consumer, stored, { reason });
    },
    consumers: (feed, consumersOptions = {}) =>
      listConsumers(deps, logPath(feed), optionsOf("consumers", consumersOptions)),
    consumerLag: (consumer, feed) => readConsumerLag(deps, logPath(feed), consumer),
    forgetConsumer: (consumer, feed, forgetOptions = {}) =>
      forgetConsumer(deps, logPath(feed), consumer, optionsOf("forgetConsumer", forgetOptions)),
    correlated: <Data>(id: string, correlatedOptions: CorrelatedOptions = {}) =>
      readCorrelated<Data>(deps, id, optionsOf("correlated", correlatedOptions)),
    overview: () => readOverview(deps),
    changes: (changesOptions = {}) => followChanges(deps, optionsOf("changes", changesOptions)),
    async truncate(stream, before, truncateOptions = {}) {
      const query = queryString({ before });
      const headers = reasonHeaders(optionsOf("truncate", truncateOptions));
      return (await removeEvents<{ firstVersion: number }>(deps, stream, query, headers)).firstVersion;
    },
    async erase(stream, reason, eraseOptions = {}) {
      const { version } = optionsOf("erase", eraseOptions);
      const headers: Record<string, string> = {
        // A retry after a lost answer returns the first answer again, and does not erase events that were appended
        // after the tombstone.
        "idempotency-key": newIdempotencyKey(deps.now()),
        ...(version === undefined ? {} : { "if-match": `"${version}"` }),
      };
      const query = queryString({ reason });
      return (await removeEvents<{ version: number }>(deps, stream, query, headers)).version;
    },
    about: () => readAbout(deps),
    fetchText: (path, textOptions = {}) => fetchText(deps, path, optionsOf("fetchText", textOptions)),
    feeds: createFeedCatalog(deps),
    session: createSession(deps),
    subscriptions: createSubscriptions(deps),
    keys: createKeys(deps),
  };
}
