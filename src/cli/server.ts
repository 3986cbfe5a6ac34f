import { lstatSync } from "node:fs";
import { join } from "node:path";

import {
  type Client,
  KildeUnreachableError,
  type Retry,
  UnexpectedAnswerError,
  UnreadableEventError,
} from "../client/index.ts";
import type { Answer } from "../client/answer.ts";
import { clientOf } from "../client/client.ts";
import { createAttempts, TIMEOUTS } from "../client/deadline.ts";
import { MAX_RETRY_AFTER_MS } from "../client/retry.ts";
import { reasonHeaders } from "../client/stated-reason.ts";
import { type Repetition, type RequestDeps, send, sendOnce } from "../client/request.ts";
import { fetchWithToken } from "../client/token.ts";
import { fetchTransport } from "../client/http-transport.ts";
import { KildeError } from "../core/errors.ts";
import { nameFault } from "../core/names.ts";
import { startTimer } from "../core/timer.ts";
import { CONFIG_FILE } from "../config/names.ts";
import type { ServerAddress } from "../config/server-address.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT, problemError } from "./exit.ts";
import { DEFAULT_URL, type ServerFlags } from "./options.ts";
import { serverToken } from "./server-token.ts";

/** The server that a verb uses. */
export interface Server {
  readonly client: Client;
  /** For requests of verbs that keep JSON in the form in which it was given or stored. */
  readonly deps: RequestDeps;
  /** Sends a request, retries it if that is safe, and reads the answer. `path` begins with a slash. */
  readonly request: <Body>(
    path: string,
    init: RequestInit,
    read: (answer: Answer) => Promise<Body>,
    repetition?: Repetition,
  ) => Promise<Body>;
}

/** For a person, who gets the error at once and decides. The delays apply to reconnects. */
const ONCE: Retry = { attempts: 1, delayMs: 100, maxDelayMs: 5_000, maxRetryAfterMs: MAX_RETRY_AFTER_MS };

/** For a change that is safe to repeat: a lost answer does not leave its outcome unknown. */
export const REPEATED: Retry = { ...ONCE, attempts: 3 };

/** For long operations that should survive a restart of the server: about a minute of attempts. */
export const PATIENT: Retry = {
  attempts: 20,
  delayMs: 100,
  maxDelayMs: 5_000,
  maxRetryAfterMs: MAX_RETRY_AFTER_MS,
};

/** Converts the failure of a request for the command line; returns other errors unchanged. */
export function serverError(error: unknown, { url, file }: ServerAddress): unknown {
  if (error instanceof KildeError && error.code === "unauthenticated") {
    const remedy = "State the token of a valid key: --token-file, KILDE_TOKEN_FILE or KILDE_TOKEN.";
    return new CliError(EXIT.failure, error.message, remedy, { cause: error });
  }
  if (error instanceof KildeError) return problemError(error);
  if (error instanceof KildeUnreachableError && error.isOutcomeUnknown) {
    const { idempotencyKey: key } = error;
    return new CliError(
      EXIT.unavailable,
      `No answer from ${url}: the server may have made the change`,
      key === null
        ? "Read the server's state before you repeat it."
        : `Repeat it with --idempotency-key ${key}, so that it is made once.`,
      { cause: error },
    );
  }
  if (error instanceof KildeUnreachableError) {
    const { cause } = error;
    const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    return new CliError(
      EXIT.unavailable,
      `No answer from ${url}${code}${file === null ? "" : `, the address in ${file}`}`,
      "Start a server there with `kilde serve`, or name another with --url or KILDE_URL.",
      { cause: error },
    );
  }
  if (error instanceof UnexpectedAnswerError) {
    return new CliError(
      error.status >= 500 ? EXIT.unavailable : EXIT.failure,
      `${url} answered ${error.status}, and not as Kilde does`,
      "Check that --url or KILDE_URL names a Kilde server, and check the proxies in between.",
      { cause: error },
    );
  }
  if (error instanceof UnreadableEventError) {
    return new CliError(
      EXIT.failure,
      error.message,
      "Check the store with `kilde doctor`: it lists the unreadable events, with remedies.",
      { cause: error },
    );
  }
  return error;
}

/** The address of the server: `--url`, `KILDE_URL`, or else the address in the settings of this folder. */
async function addressOf({ environment, cwd }: CliContext, flag: string | undefined): Promise<ServerAddress> {
  const stated = flag ?? (environment["KILDE_URL"] || undefined);
  if (stated === undefined) {
    const hasFile = lstatSync(join(cwd, CONFIG_FILE), { throwIfNoEntry: false }) !== undefined;
    const isDefault = !hasFile && !environment["KILDE_HOST"] && !environment["KILDE_PORT"];
    if (isDefault) return { url: DEFAULT_URL, file: null };
    // Imported late, because loading the settings takes longer than a small request.
    const { serverAddress } = await import("../config/server-address.ts");
    const address = await serverAddress(environment, cwd);
    if (new URL(address.url).port !== "0") return address;
    throw new CliError(
      EXIT.usage,
      "The server may listen on any free port, since the setting `port` is 0",
      "Name it with --url or KILDE_URL.",
    );
  }
  const source = flag === undefined ? "environment KILDE_URL" : "flag --url";
  const url = stated;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) {
    return { url: url.replace(/\/+$/, ""), file: null };
  }
  throw new CliError(EXIT.usage, `url: ${JSON.stringify(url)} must be an http(s):// address (${source})`);
}

export interface ServerOptions {
  readonly retry?: Retry;
  /** Consumer name that each request carries. */
  readonly consumer?: string | undefined;
  /** Called with the error of an attempt that will be retried. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
}

/** Calls `use` with the server that `--url`, `KILDE_URL` or this folder's settings name. */
export async function withServer<Result>(
  context: CliContext,
  flags: ServerFlags,
  use: (server: Server) => Promise<Result>,
  { retry = ONCE, consumer, onRetry }: ServerOptions = {},
): Promise<Result> {
  const address = await addressOf(context, flags.url);
  const { url } = address;
  const { clock, random } = context;
  const token = serverToken(context, flags);
  const fetch = fetchTransport((target, init) => context.fetch(target, init));
  const deps: RequestDeps = {
    url,
    fetch: token === null ? fetch : fetchWithToken(fetch, token),
    headers: {
      "accept-encoding": "identity",
      ...(consumer === undefined ? {} : { "kilde-consumer": encodeURIComponent(consumer) }),
      ...reasonHeaders(flags),
    },
    retry,
    timeouts: TIMEOUTS,
    startAttempt: createAttempts(startTimer),
    onRetry,
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random,
    now: () => clock.now(),
    known: { position: 0, identity: null },
    suspicion: { left: 0 },
  };
  try {
    // An absent server is reported at once, without retries.
    if (retry !== ONCE) await sendOnce(deps, "/health", {}, (answer) => answer.text());
    return await use({
      deps,
      client: clientOf(deps, consumer),
      request: (path, init, read, repetition) => send(deps, path, init, read, repetition),
    });
  } catch (error) {
    throw serverError(error, address);
  }
}

/** Parses the name of a stream. Rejects names that no server accepts: some would be path segments. */
export function streamName(name: string): string {
  const fault = nameFault(name, Number.MAX_SAFE_INTEGER);
  if (fault !== null) throw new CliError(EXIT.usage, `The stream name ${JSON.stringify(name)} ${fault}`);
  return name;
}
