import { KildeError } from "../core/errors.ts";
import { onAbort } from "../core/on-abort.ts";
import { type EntryOutcome, readOutcomes, reasonPosition } from "./entry-outcomes.ts";
import type { IssuedAppend } from "./issued-append.ts";
import { planAttempt, type Request, type RequestDeps, sendOnce, withOutcome } from "./request.ts";
import { isPassing, requestRetryMs } from "./retry.ts";
import type { Appended } from "./types.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { KildeUnreachableError, wasNotSent } from "./unreachable.ts";
import { postEvents } from "./writes.ts";

/** Notifications about a request for several appends. */
export interface BatchWatch {
  /** The request waits before another attempt. */
  readonly onBackoff: () => void;
  /** The server has no such requests. */
  readonly onUnsupported: () => void;
}

/** Refusals that every append of the request would receive alone. */
const OF_ALL = new Set(["unauthenticated", "log-restored"]);

/** Statuses with which an older server, or a proxy that knows the paths of one, refuses `POST /appends`. */
const UNSUPPORTED = new Set([403, 404, 405, 501]);

function isUnsupported(error: unknown): boolean {
  if (error instanceof UnexpectedAnswerError) return UNSUPPORTED.has(error.status);
  return error instanceof KildeError && (error.code === "not-found" || error.code === "method-not-allowed");
}

/** Sends an append alone. `mayBeDone`: a request with it may have been executed. */
export async function sendAlone(deps: RequestDeps, append: IssuedAppend, mayBeDone: boolean): Promise<void> {
  if (append.isSettled()) return;
  const { path, body, options, trace } = append;
  try {
    append.resolve(await postEvents<Appended>(deps, path, body, options, trace));
  } catch (error) {
    append.reject(withOutcome(error, { method: "POST" }, path, mayBeDone, options.idempotencyKey));
  }
}

/** Sends appends one by one where they are to the same stream, and otherwise at the same time. */
async function sendSingly(
  deps: RequestDeps,
  appends: readonly IssuedAppend[],
  mayBeDone: boolean,
): Promise<void> {
  const streams = new Map<string, Promise<void>>();
  for (const append of appends) {
    const before = streams.get(append.stream) ?? Promise.resolve();
    streams.set(
      append.stream,
      before.then(() => sendAlone(deps, append, mayBeDone)),
    );
  }
  await Promise.all(streams.values());
}

/** Statuses of refusals that are the same for an append alone: of its sender, and of the state of its stream or the log. */
const SAME_ALONE = new Set([401, 403, 409]);

/** Settles an append with its outcome. Returns the error of an append that is to be sent again. */
async function settle(
  deps: RequestDeps,
  append: IssuedAppend,
  outcome: EntryOutcome,
  identity: string | null,
  isLast: boolean,
): Promise<Error | null> {
  // Its caller aborted it while the request was under way.
  if (append.isSettled()) return null;
  if ("appended" in outcome) {
    try {
      if (identity !== null) append.options.onLog?.(identity);
      append.resolve(outcome.appended);
    } catch (error) {
      append.reject(error);
    }
    return null;
  }
  const { error, status } = outcome;
  deps.known.position = Math.max(deps.known.position, reasonPosition(error));
  if (isPassing(error) && !isLast) return error;
  // A fault of the request is described as it is in a request of its own.
  if (isPassing(error) || SAME_ALONE.has(status)) append.reject(error);
  else await sendAlone(deps, append, false);
  return null;
}

/** Sends the appends in one request. Returns the error of those that are to be sent again; null: there are none. */
async function attemptTogether(
  deps: RequestDeps,
  appends: readonly IssuedAppend[],
  request: Request,
  isLast: boolean,
): Promise<Error | null> {
  let identity: string | null = null;
  const outcomes = await sendOnce(deps, "/appends", request, (answer) => {
    identity = answer.headers.get("kilde-log");
    return readOutcomes(answer, appends.length);
  });
  const failures = await Promise.all(
    outcomes.map(async (outcome, index) => {
      const append = appends[index];
      return append === undefined ? null : settle(deps, append, outcome, identity, isLast);
    }),
  );
  return failures.find((failure) => failure !== null) ?? null;
}

/** The entry of an append in the body of `POST /appends`. */
function entryOf({ stream, body, options, trace }: IssuedAppend): string {
  const head = `{"stream":${JSON.stringify(stream)},"idempotencyKey":${JSON.stringify(options.idempotencyKey)}`;
  const traced = trace === null ? "" : `,${JSON.stringify(trace).slice(1, -1)}`;
  return `${head}${traced},${body.slice(1)}`;
}

function requestOf(appends: readonly IssuedAppend[], signal: AbortSignal): Request {
  const logIdentity = appends[0]?.options.logIdentity ?? null;
  return {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(logIdentity === null ? {} : { "kilde-log": logIdentity }),
    },
    body: `[${appends.map(entryOf).join(",")}]`,
    signal,
  };
}

/**
 * Sends appends that state the same identity in one request, and repeats it, with the same idempotency keys, for those
 * whose outcome is missing or may change; the last attempt after a lost answer sends each alone. Settles each append as if
 * it had been sent alone.
 */
export async function sendTogether(
  deps: RequestDeps,
  appends: readonly IssuedAppend[],
  { onBackoff, onUnsupported }: BatchWatch,
): Promise<void> {
  const stop = new AbortController();
  const stopIfLeft = () => {
    if (appends.every((append) => append.isSettled())) stop.abort();
  };
  const signals = appends.flatMap(({ options: { signal } }) => signal ?? []);
  const forgets = signals.map((signal) => onAbort(signal, stopIfLeft));
  const rejectAll = (error: unknown) => {
    for (const append of appends) append.reject(error);
  };
  let mayBeDone = false;
  try {
    for (let attempt = 1; ; attempt += 1) {
      const left = appends.filter((append) => !append.isSettled());
      if (left.length === 0) return;
      const isLast = attempt >= deps.retry.attempts;
      if (isLast && mayBeDone) {
        // A proxy may drop a request that is too large for it without an answer.
        await sendSingly({ ...deps, retry: { ...deps.retry, attempts: 1 } }, left, mayBeDone);
        return;
      }
      const request = { ...requestOf(left, stop.signal), plan: planAttempt(deps, attempt, isLast) };
      let failure: unknown;
      try {
        failure = await attemptTogether(deps, left, request, isLast);
        if (failure === null) return;
      } catch (error) {
        failure = error;
        mayBeDone ||=
          error instanceof UnexpectedAnswerError ||
          (error instanceof KildeUnreachableError && !wasNotSent(error));
        if (isPassing(error) && isLast) {
          for (const { path, options, reject } of left)
            reject(withOutcome(error, { method: "POST" }, path, mayBeDone, options.idempotencyKey));
          return;
        }
        if (!isPassing(error)) {
          if (isUnsupported(error)) onUnsupported();
          const isRefusal =
            error instanceof KildeError ? !OF_ALL.has(error.code) : error instanceof UnexpectedAnswerError;
          if (isRefusal) await sendSingly(deps, left, mayBeDone);
          else rejectAll(error);
          return;
        }
      }
      onBackoff();
      deps.onRetry?.(failure);
      await deps.sleep(requestRetryMs(deps, attempt, failure), stop.signal);
    }
  } catch (error) {
    rejectAll(error);
    return;
  } finally {
    for (const forget of forgets) forget();
  }
}
