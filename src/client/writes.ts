import { toHeaderText } from "../core/header-text.ts";
import type { TraceContext } from "../core/trace-context.ts";
import { appendInSpan } from "./append-span.ts";
import type { Answer } from "./answer.ts";
import { newIdempotencyKey } from "./idempotency-key.ts";
import { readObject } from "./parse-answer.ts";
import { sourcePath } from "./read.ts";
import { type Request, type RequestDeps, send } from "./request.ts";
import type { Appended, AppendOptions, StreamAppend } from "./types.ts";

/**
 * Sends the JSON text of an append. With an idempotency key, the request is safe to repeat; null: it is sent without
 * one, once.
 */
export async function postEvents<Body extends object>(
  deps: RequestDeps,
  path: string,
  body: string,
  appendOptions: AppendOptions,
  trace: TraceContext | null,
): Promise<Body> {
  const { idempotencyKey = newIdempotencyKey(deps.now()), logIdentity = deps.known.identity } = appendOptions;
  const { signal, onLog } = appendOptions;
  const headers = {
    "content-type": "application/json",
    ...(idempotencyKey === null ? {} : { "idempotency-key": toHeaderText(idempotencyKey) }),
    ...(logIdentity === null ? {} : { "kilde-log": logIdentity }),
    ...trace,
  };
  const init: Request = { method: "POST", body, headers };
  if (signal !== undefined) init.signal = signal;
  const repetition = { isRepeatable: idempotencyKey !== null, idempotencyKey };
  const read = (answer: Answer): Promise<Body> => {
    const identity = onLog === undefined ? null : answer.headers.get("kilde-log");
    if (identity !== null) onLog?.(identity);
    return readObject<Body>(answer);
  };
  return send(deps, path, init, read, repetition);
}

interface Transacted {
  readonly results: readonly Appended[];
}

/** Appends to several streams, all or none. */
export async function postTransaction(
  deps: RequestDeps,
  appends: readonly StreamAppend[],
  appendOptions: AppendOptions,
): Promise<readonly Appended[]> {
  const body = JSON.stringify({ appends });
  const events = appends.reduce((sum, append) => sum + [append.events].flat().length, 0);
  const positionOf = ({ results: [first] }: Transacted) => first?.position;
  const { results } = await appendInSpan({ events, url: deps.url, positionOf }, (trace) =>
    postEvents<Transacted>(deps, "/transactions", body, appendOptions, trace),
  );
  return results;
}

/** Sends a removal of a stream's events. The server refuses it when the log is no longer the one that this client read. */
export function removeEvents<Body extends object>(
  deps: RequestDeps,
  stream: string,
  query: string,
  stated: Readonly<Record<string, string>> = {},
): Promise<Body> {
  const { identity } = deps.known;
  const headers = identity === null ? stated : { ...stated, "kilde-log": identity };
  return send(deps, sourcePath({ stream }) + query, { method: "DELETE", headers }, readObject<Body>);
}
