import type { ApiKey, ApiKeys, IssuedApiKey } from "./key-types.ts";
import { optionsOf } from "./options.ts";
import { mayContinue } from "./page-end.ts";
import { readObject } from "./parse-answer.ts";
import { queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";
import { type ReasonOptions, reasonHeaders } from "./stated-reason.ts";

const ALL = "/keys";

/** Creates the methods for API keys. */
export function createKeys(deps: RequestDeps): ApiKeys {
  const one = (key: string) => `${ALL}/${encodeURIComponent(key)}`;
  /** A lost answer has the token, so the request is not repeated. */
  const issue = (path: string, body: object, reason: ReasonOptions): Promise<IssuedApiKey> => {
    const headers = { "content-type": "application/json", ...reasonHeaders(reason) };
    const request = { method: "POST", body: JSON.stringify(body), headers };
    return send(deps, path, request, readObject<IssuedApiKey>, { isRepeatable: false });
  };

  return {
    create: (key, options = {}) => issue(ALL, key, optionsOf("keys.create", options)),
    async *list(options = {}) {
      const { after, pageSize: limit, signal } = optionsOf("keys.list", options);
      const init = signal === undefined ? {} : { signal };
      let cursor = after;
      for (;;) {
        const path = ALL + queryString({ cursor, limit });
        const { continues, keys } = await send(deps, path, init, async (answer) => ({
          continues: mayContinue(answer),
          keys: (await readObject<{ readonly keys: readonly ApiKey[] }>(answer)).keys,
        }));
        yield* keys;
        cursor = keys.at(-1)?.key;
        if (cursor === undefined || !continues) return;
      }
    },
    get: (key) => send(deps, one(key), {}, readObject<ApiKey>),
    rotate(key, options = {}) {
      const { reason, ...rotation } = optionsOf("keys.rotate", options);
      return issue(`${one(key)}/rotate`, rotation, { reason });
    },
    revoke(key, options = {}) {
      const headers = reasonHeaders(optionsOf("keys.revoke", options));
      return send(deps, one(key), { method: "DELETE", headers }, readObject<ApiKey>);
    },
  };
}
