import type { ApiKey, ApiKeys, IssuedApiKey } from "./key-types.ts";
import { optionsOf } from "./options.ts";
import { mayContinue } from "./page-end.ts";
import { readObject } from "./parse-answer.ts";
import { queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";

const ALL = "/keys";

/** Creates the methods for API keys. */
export function createKeys(deps: RequestDeps): ApiKeys {
  const one = (key: string) => `${ALL}/${encodeURIComponent(key)}`;
  /** A lost answer has the token, so the request is not repeated. */
  const issue = (path: string, body: object): Promise<IssuedApiKey> => {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", body: JSON.stringify(body), headers };
    return send(deps, path, request, readObject<IssuedApiKey>, { isRepeatable: false });
  };

  return {
    create: (key) => issue(ALL, key),
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
    rotate: (key, options = {}) => issue(`${one(key)}/rotate`, options),
    revoke: (key) => send(deps, one(key), { method: "DELETE" }, readObject<ApiKey>),
  };
}
