import type { TraceContext } from "../core/trace-context.ts";
import { sendAlone, sendTogether } from "./append-batch.ts";
import { newIdempotencyKey } from "./idempotency-key.ts";
import { createIssuedAppend, type KeyedAppend, type IssuedAppend } from "./issued-append.ts";
import { sourcePath } from "./read.ts";
import type { RequestDeps } from "./request.ts";
import type { Appended, AppendOptions, NewEvent } from "./types.ts";
import { postEvents } from "./writes.ts";

/** Most requests with appends under way at the same time. While one is under way, the next one fills. */
const REQUESTS = 2;

/** Most appends in one request: a fifth of a server's limit, so that an answer is short. */
const APPENDS = 200;

/**
 * A request takes appends to at most half of the streams whose appends are under way or wait, or about so many appends: fewer
 * are not worth a request. With all in one, the client and the server would wait for each other, as callers that are answered
 * together append again together. Those to one stream are not divided: the rest could not be sent meanwhile.
 */
const FEW = 4;

/** Most UTF-16 code units of the appends in one request. A larger append is sent alone. */
const CHARACTERS = 256 * 1024;

/** Turns of promises within which callers that received a result issue their next append. */
const TURNS = 10;

/** The body of `POST /streams/{stream}`. */
interface AppendBody {
  readonly events: readonly NewEvent[];
  readonly expectedVersion: AppendOptions["expectedVersion"];
}

/** Appends to a stream. */
export type Append = (
  stream: string,
  body: AppendBody,
  options: AppendOptions,
  trace: TraceContext | null,
) => Promise<Appended>;

/**
 * Divides the appends that wait into those of the next request, none while all streams are busy, and the rest. Appends to
 * one stream share a request only without expected versions: if its answer is lost, one that was refused could succeed
 * when it is repeated, after a later one.
 */
function takeNext(
  waiting: readonly IssuedAppend[],
  busy: Iterable<string>,
  { most, mostStreams }: { readonly most: number; readonly mostStreams: number },
): { readonly taken: readonly IssuedAppend[]; readonly rest: IssuedAppend[] } {
  const taken: IssuedAppend[] = [];
  const kept: IssuedAppend[] = [];
  /** Streams whose further appends wait, because none must overtake an earlier one. */
  const held = new Set(busy);
  const open = new Set<string>();
  let streams = 0;
  let left = CHARACTERS;
  let index = 0;
  for (; index < waiting.length && taken.length < most && left > 0; index += 1) {
    const append = waiting[index];
    if (append === undefined || append.isSettled()) continue;
    const { stream, body, options } = append;
    const isConditional = (options.expectedVersion ?? "any") !== "any";
    const [first] = taken;
    const fits =
      first === undefined || (options.logIdentity === first.options.logIdentity && body.length <= left);
    const isAnother = !open.has(stream);
    const hasRoom = !isAnother || streams < mostStreams;
    if (fits && hasRoom && !held.has(stream) && (isAnother || !isConditional)) {
      taken.push(append);
      if (isAnother) streams += 1;
      left -= body.length;
      (isConditional ? held : open).add(stream);
    } else {
      held.add(stream);
      kept.push(append);
    }
  }
  return { taken, rest: kept.concat(waiting.slice(index)) };
}

/** Counts the appends under way to each stream. */
function createBusyStreams() {
  const started = new Set<IssuedAppend>();
  const counts = new Map<string, number>();
  return {
    has: (stream: string) => counts.has(stream),
    /** Number of appends under way. */
    size: () => started.size,
    names: () => counts.keys(),
    start(append: IssuedAppend) {
      started.add(append);
      counts.set(append.stream, (counts.get(append.stream) ?? 0) + 1);
    },
    /** Notes the end of an append that may not have started. */
    end(append: IssuedAppend) {
      if (!started.delete(append)) return;
      const count = (counts.get(append.stream) ?? 1) - 1;
      if (count === 0) counts.delete(append.stream);
      else counts.set(append.stream, count);
    },
  };
}

/** Number of streams whose appends the next request may take. */
function shareOfStreams(
  waiting: readonly IssuedAppend[],
  busy: Pick<ReturnType<typeof createBusyStreams>, "names" | "size">,
): number {
  const streams = new Set(busy.names());
  for (const { stream } of waiting) if (streams.size < 2 * APPENDS) streams.add(stream);
  return Math.ceil(streams.size * Math.max(1 / 2, FEW / (busy.size() + waiting.length)));
}

/** Creates appends that are each sent at once in a request of its own, as in the server's process, where requests cost little. */
export function createLoneAppends(deps: RequestDeps): Append {
  return async (stream, body, options, trace) =>
    postEvents(deps, sourcePath({ stream }), JSON.stringify(body), options, trace);
}

/**
 * Creates the appends of a client. One that is issued while no other is under way is sent at once. Those issued
 * meanwhile share the following requests, as `POST /appends`, in their order per stream. One without an idempotency key
 * is sent at once and alone.
 */
export function createAppends(deps: RequestDeps): Append {
  let waiting: IssuedAppend[] = [];
  const busy = createBusyStreams();
  let underWay = 0;
  let isPlanned = false;
  /** Whether the server takes several appends in one request. */
  let isSupported = true;

  const plan = async () => {
    if (isPlanned || waiting.length === 0) return;
    isPlanned = true;
    for (let turn = 0; turn < TURNS; turn += 1) await Promise.resolve();
    isPlanned = false;
    while (underWay < REQUESTS || !isSupported) {
      const { taken, rest } = takeNext(waiting, busy.names(), {
        most: isSupported ? APPENDS : 1,
        mostStreams: shareOfStreams(waiting, busy),
      });
      waiting = rest;
      if (taken.length === 0) return;
      void start(taken);
    }
  };

  const start = async (appends: readonly IssuedAppend[]) => {
    underWay += 1;
    let isCounted = true;
    /** Lets the next request start. */
    const release = () => {
      if (isCounted) underWay -= 1;
      isCounted = false;
      void plan();
    };
    for (const append of appends) busy.start(append);
    const [first] = appends;
    if (first !== undefined && appends.length === 1) {
      const onRetry = (error: unknown) => {
        release();
        deps.onRetry?.(error);
      };
      await sendAlone({ ...deps, onRetry }, first, false);
    } else {
      const onUnsupported = () => {
        isSupported = false;
        void plan();
      };
      await sendTogether(deps, appends, { onBackoff: release, onUnsupported });
    }
    release();
  };

  const onSettled = (append: IssuedAppend) => {
    busy.end(append);
    void plan();
  };

  const enqueue = (append: KeyedAppend): Promise<Appended> =>
    new Promise((resolve, reject) => {
      const issued = createIssuedAppend(append, { resolve, reject }, onSettled);
      if (underWay === 0 && waiting.length === 0 && !busy.has(append.stream)) void start([issued]);
      else {
        waiting.push(issued);
        void plan();
      }
    });

  const appendAlone = createLoneAppends(deps);
  return async (stream, body, options, trace) => {
    options.signal?.throwIfAborted();
    const { idempotencyKey = newIdempotencyKey(deps.now()), logIdentity = deps.known.identity } = options;
    if (idempotencyKey === null) return appendAlone(stream, body, options, trace);
    return enqueue({
      stream,
      path: sourcePath({ stream }),
      body: JSON.stringify(body),
      trace,
      options: { ...options, logIdentity, idempotencyKey },
    });
  };
}
