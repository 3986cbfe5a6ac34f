import { createLoneAppends } from "../client/append-queue.ts";
import { clientOf, requestDepsOf } from "../client/client.ts";
import type { AppendOptions, Client, FollowOptions } from "../client/index.ts";
import { sleepFor } from "../client/sleep.ts";
import type { TokenSource } from "../client/token.ts";
import { KildeError } from "../core/errors.ts";

export interface InProcessOptions {
  readonly fetch: (request: Request) => Promise<Response>;
  /** Sent with each request; null: none. */
  readonly token: TokenSource | null;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
  /** Whether no answer of the database can be lost. */
  readonly isLocal: boolean;
}

/** Creates the client of a store in this process, where no answer of the surface is lost. */
export function inProcessClient({ fetch, token, closing, isLocal }: InProcessOptions): Client {
  const deps = requestDepsOf({
    url: "http://kilde",
    fetch: (url, init) => fetch(new Request(url, init)),
    // There is no network that could go silent.
    timeouts: { answerMs: Infinity, silenceMs: Infinity },
    sleep: (ms, signal) =>
      closing.aborted
        ? Promise.reject(new KildeError("shutting-down", "This Kilde was closed"))
        : sleepFor(ms, signal),
    ...(token === null ? {} : { token }),
  });
  // An append that waited for others would be refused when the store is closed meanwhile.
  const client = clientOf(deps, undefined, createLoneAppends(deps));
  const keyed = <Options extends Pick<AppendOptions, "idempotencyKey">>(options: Options): Options =>
    isLocal && options.idempotencyKey === undefined ? { ...options, idempotencyKey: null } : options;
  const untilClosed = (signal: AbortSignal | undefined) =>
    signal === undefined ? closing : AbortSignal.any([signal, closing]);
  return {
    ...client,
    append: (stream, events, options = {}) => client.append(stream, events, keyed(options)),
    transact: (appends, options = {}) => client.transact(appends, keyed(options)),
    // A follower would otherwise wait for the server to come back.
    follow: <Data>({ signal, ...options }: FollowOptions = {}) =>
      client.follow<Data>({ ...options, signal: untilClosed(signal) }),
    changes: ({ signal, ...options } = {}) => client.changes({ ...options, signal: untilClosed(signal) }),
  };
}
