import { optionsOf } from "./options.ts";
import { mayContinue } from "./page-end.ts";
import { queryString } from "./read.ts";
import type { Answer } from "./answer.ts";
import { readObject } from "./parse-answer.ts";
import { type Request, type RequestDeps, send } from "./request.ts";
import { type ReasonOptions, reasonHeaders } from "./stated-reason.ts";
import type * as types from "./subscription-types.ts";
import type { ListPart } from "./types.ts";

const ALL = "/subscriptions";

interface Call {
  readonly method?: "POST" | "PATCH" | "DELETE";
  readonly body?: object;
  readonly reason?: ReasonOptions["reason"];
  /** Whether executing it twice has the effect of executing it once. */
  readonly repeatable?: boolean;
  /** Whether the answer has a body. Default: true. */
  readonly answered?: boolean;
  /** Time that the server may work on it beyond the usual deadline, in milliseconds. Default: 0. */
  readonly serverWaitMs?: number;
}

/** Allowance for requests that wait for an endpoint, or that count events. */
const SLOW_MS = 60_000;

/** Sends a request about subscriptions. */
function createCall(deps: RequestDeps) {
  return <Result>(
    path: string,
    { method, body, reason, repeatable = true, answered = true, serverWaitMs = 0 }: Call = {},
  ): Promise<Result> => {
    const init: Request = {
      headers: { "content-type": "application/json", ...reasonHeaders({ reason }) },
      serverWaitMs,
    };
    if (method !== undefined) init.method = method;
    if (body !== undefined) init.body = JSON.stringify(body);
    const read = async (answer: Answer) =>
      (answered ? await readObject(answer) : void (await answer.text())) as Result;
    return send(deps, path, init, read, { isRepeatable: repeatable });
  };
}

/** A list that the server answers page by page. */
interface PagedList<Entry> {
  readonly path: string;
  /** The member of an answer that has the entries. */
  readonly name: string;
  readonly cursorOf: (entry: Entry) => string;
  readonly part: ListPart;
  readonly query?: Parameters<typeof queryString>[0];
}

async function* pagedList<Entry>(deps: RequestDeps, { path, name, cursorOf, part, query }: PagedList<Entry>) {
  const { after, pageSize: limit, signal } = part;
  const init = signal === undefined ? {} : { signal };
  let cursor = after;
  for (;;) {
    const { continues, entries } = await send(
      deps,
      path + queryString({ ...query, cursor, limit }),
      init,
      async (response) => ({
        continues: mayContinue(response),
        entries: (await readObject<Record<string, Entry[]>>(response))[name] ?? [],
      }),
    );
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined || !continues) return;
    cursor = cursorOf(last);
  }
}

const one = (id: string) => `${ALL}/${encodeURIComponent(id)}`;
const blockedAt = (id: string, subject: string) => `${one(id)}/blocked/${encodeURIComponent(subject)}`;

/** Creates the methods for subscriptions. */
export function createSubscriptions(deps: RequestDeps): types.Subscriptions {
  const call = createCall(deps);
  return {
    create(body, options = {}) {
      const { reason } = optionsOf("subscriptions.create", options);
      return call(ALL, { method: "POST", body, reason, repeatable: false, serverWaitMs: SLOW_MS });
    },
    list(options = {}) {
      const { statuses: status, source, ...part } = optionsOf("subscriptions.list", options);
      const cursorOf = ({ subscription }: types.Subscription) => subscription;
      return pagedList(deps, { path: ALL, name: "subscriptions", cursorOf, part, query: { status, source } });
    },
    get: (id) => call(one(id)),
    change(id, body, options = {}) {
      const { reason } = optionsOf("subscriptions.change", options);
      return call(one(id), { method: "PATCH", body, reason, serverWaitMs: SLOW_MS });
    },
    remove(id, options = {}) {
      const { reason } = optionsOf("subscriptions.remove", options);
      return call(one(id), { method: "DELETE", reason, repeatable: false, answered: false });
    },
    pause: (id, reason) => call(`${one(id)}/pause`, { method: "POST", body: { reason } }),
    resume(id, options = {}) {
      const { reason } = optionsOf("subscriptions.resume", options);
      return call(`${one(id)}/resume`, { method: "POST", reason });
    },
    rewind: (id, { reason, ...body } = {}) =>
      call(`${one(id)}/rewind`, {
        method: "POST",
        body,
        reason,
        repeatable: body.dryRun === true,
        serverWaitMs: SLOW_MS,
      }),
    test: (id) => call(`${one(id)}/test`, { method: "POST", repeatable: false, serverWaitMs: SLOW_MS }),
    rotateSecret: (id, { reason, ...body } = {}) =>
      call(`${one(id)}/rotate-secret`, { method: "POST", body, reason, repeatable: false }),
    attempts(id, options = {}) {
      const { signal, ...query } = optionsOf("subscriptions.attempts", options);
      const init = signal === undefined ? {} : { signal };
      return send(deps, `${one(id)}/attempts${queryString(query)}`, init, readObject<types.DeliveryAttempts>);
    },
    blocked(id, options = {}) {
      const part = optionsOf("subscriptions.blocked", options);
      const cursorOf = ({ subject }: types.BlockedDelivery) => subject;
      return pagedList(deps, { path: `${one(id)}/blocked`, name: "blocked", cursorOf, part });
    },
    retry: (id, subject) => call(`${blockedAt(id, subject)}/retry`, { method: "POST", answered: false }),
    skip: (id, subject, { reason, ...body } = {}) =>
      call(`${blockedAt(id, subject)}/skip`, { method: "POST", body, reason, repeatable: false }),
    skips: async (id) => (await call<{ skips: types.SkippedEvent[] }>(`${one(id)}/skips`)).skips,
  };
}
