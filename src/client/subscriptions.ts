import { optionsOf } from "./options.ts";
import { mayContinue } from "./page-end.ts";
import { queryString } from "./read.ts";
import type { Answer } from "./answer.ts";
import { readObject } from "./parse-answer.ts";
import { type Request, type RequestDeps, send } from "./request.ts";
import type * as types from "./subscription-types.ts";
import type { ListPart } from "./types.ts";

const ALL = "/subscriptions";

interface Call {
  readonly method?: "POST" | "PATCH" | "DELETE";
  readonly body?: object;
  /** Whether executing it twice has the effect of executing it once. */
  readonly repeatable?: boolean;
  /** Whether the answer has a body. Default: true. */
  readonly answered?: boolean;
  /** Time that the server may work on it beyond the usual deadline, in milliseconds. Default: 0. */
  readonly serverWaitMs?: number;
}

/** Allowance for requests that wait for an endpoint, or that count events. */
const SLOW_MS = 60_000;

/** Creates the methods for subscriptions. */
export function createSubscriptions(deps: RequestDeps): types.Subscriptions {
  const call = <Result>(
    path: string,
    { method, body, repeatable = true, answered = true, serverWaitMs = 0 }: Call = {},
  ): Promise<Result> => {
    const init: Request = { headers: { "content-type": "application/json" }, serverWaitMs };
    if (method !== undefined) init.method = method;
    if (body !== undefined) init.body = JSON.stringify(body);
    const read = async (answer: Answer) =>
      (answered ? await readObject(answer) : void (await answer.text())) as Result;
    return send(deps, path, init, read, { isRepeatable: repeatable });
  };
  const one = (id: string) => `${ALL}/${encodeURIComponent(id)}`;
  const blockedAt = (id: string, subject: string) => `${one(id)}/blocked/${encodeURIComponent(subject)}`;

  async function* paged<Entry>(
    path: string,
    name: string,
    cursorOf: (entry: Entry) => string,
    { after, pageSize: limit, signal }: ListPart,
    query: Parameters<typeof queryString>[0] = {},
  ) {
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

  return {
    create: (body) => call(ALL, { method: "POST", body, repeatable: false, serverWaitMs: SLOW_MS }),
    list(options = {}) {
      const { statuses: status, source, ...part } = optionsOf("subscriptions.list", options);
      const idOf = ({ subscription }: types.Subscription) => subscription;
      return paged(ALL, "subscriptions", idOf, part, { status, source });
    },
    get: (id) => call(one(id)),
    change: (id, body) => call(one(id), { method: "PATCH", body, serverWaitMs: SLOW_MS }),
    remove: (id) => call(one(id), { method: "DELETE", repeatable: false, answered: false }),
    pause: (id, reason) => call(`${one(id)}/pause`, { method: "POST", body: { reason } }),
    resume: (id) => call(`${one(id)}/resume`, { method: "POST" }),
    rewind: (id, body = {}) =>
      call(`${one(id)}/rewind`, {
        method: "POST",
        body,
        repeatable: body.dryRun === true,
        serverWaitMs: SLOW_MS,
      }),
    test: (id) => call(`${one(id)}/test`, { method: "POST", repeatable: false, serverWaitMs: SLOW_MS }),
    rotateSecret: (id, body = {}) =>
      call(`${one(id)}/rotate-secret`, { method: "POST", body, repeatable: false }),
    attempts: async (id) =>
      (await call<{ attempts: types.DeliveryAttempt[] }>(`${one(id)}/attempts`)).attempts,
    blocked(id, options = {}) {
      const subjectOf = ({ subject }: types.BlockedDelivery) => subject;
      return paged(`${one(id)}/blocked`, "blocked", subjectOf, optionsOf("subscriptions.blocked", options));
    },
    retry: (id, subject) => call(`${blockedAt(id, subject)}/retry`, { method: "POST", answered: false }),
    skip: (id, subject, body = {}) =>
      call(`${blockedAt(id, subject)}/skip`, { method: "POST", body, repeatable: false }),
    skips: async (id) => (await call<{ skips: types.SkippedEvent[] }>(`${one(id)}/skips`)).skips,
  };
}
