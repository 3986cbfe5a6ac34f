import type { NewKey } from "../../src/access/new-key.ts";
import { callsThrough, type TestApp } from "./app.ts";

/** A key of a store, and the calls of an app with its token. */
export interface TestKey extends Pick<TestApp, "fetch" | "append" | "get"> {
  readonly id: string;
  readonly token: string;
}

/** The calls of an app with a token. */
export function withToken({ fetch }: Pick<TestApp, "fetch">, token: string) {
  return callsThrough((path, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${token}`);
    return fetch(path, { ...init, headers });
  });
}

let count = 0;

/** Creates a key, and fails the test if it cannot be. The store is closed from then on. Default: a name of its own. */
export async function createTestKey(
  app: Pick<TestApp, "fetch" | "store">,
  grants: readonly string[],
  key: Partial<NewKey> = {},
): Promise<TestKey> {
  count += 1;
  const given = { name: `key-${count}`, grants, consumer: null, expires: null, ...key };
  const created = await app.store.access.create(given);
  if (created.outcome !== "created") throw new Error(JSON.stringify(created));
  const { token } = created;
  return { id: created.key.id, token, ...withToken(app, token) };
}
