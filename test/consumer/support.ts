import { createClient as createLibsql } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { sql } from "drizzle-orm";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type ConsumerOptions, createConsumer, type EventTypes } from "../../src/consumer/index.ts";
import { libsqlStore, memoryStore, type ConsumerStore } from "../../src/consumer/index.ts";
import type { TestApp } from "../support/app.ts";

export const URL = "http://kilde.test";

/** A disturbance of a request; undefined lets the request through. */
export type Fault = (path: string, init: RequestInit) => Promise<Response> | Response | undefined;

/** Requests to the app, which can be counted, and made to fail. */
export function network(app: () => Pick<TestApp, "fetch">) {
  const requests: string[] = [];
  let fault: Fault = () => undefined;
  return {
    requests,
    failWith: (next: Fault) => void (fault = next),
    heal: () => void (fault = () => undefined),
    fetch: async (url: string, init: RequestInit): Promise<Response> => {
      const path = url.slice(URL.length);
      requests.push(`${init.method ?? "GET"} ${path}`);
      return (await fault(path, init)) ?? (await app().fetch(path, init));
    },
  };
}

/** A test consumer's record of each subject: the versions it handled, in order. */
export interface Effects<Tx> {
  readonly store: ConsumerStore<Tx>;
  record(tx: Tx, subject: string, entry: string): Promise<void>;
  /** Entries by subject. */
  read(): Promise<Record<string, string[]>>;
  dispose(): Promise<void>;
}

export function memoryEffects(): Effects<
  Parameters<Parameters<ReturnType<typeof memoryStore>["transact"]>[0]>[0]
> {
  const store = memoryStore();
  return {
    store,
    async record(tx, subject, entry) {
      // An asynchronous step, as in a database.
      await Promise.resolve();
      tx.set(subject, [...((tx.get(subject) as string[] | undefined) ?? []), entry]);
    },
    read: async () => Object.fromEntries(store.values) as Record<string, string[]>,
    dispose: async () => {},
  };
}

export function libsqlEffects(file?: string) {
  const folder = mkdtempSync(join(tmpdir(), "kilde-consumer-"));
  const client = createLibsql({ url: `file:${file ?? join(folder, "consumer.db")}` });
  const database = drizzle(client);
  const made = database.run(
    sql`create table if not exists effects (number integer primary key, subject text not null, entry text not null)`,
  );
  const store = libsqlStore(database);
  return {
    store,
    database,
    async record(tx, subject, entry) {
      await tx.run(sql`insert into effects (subject, entry) values (${subject}, ${entry})`);
    },
    async read() {
      await made;
      const rows = await database.all<{ subject: string; entry: string }>(
        sql`select subject, entry from effects order by number`,
      );
      const found: Record<string, string[]> = {};
      for (const { subject, entry } of rows) (found[subject] ??= []).push(entry);
      return found;
    },
    async dispose() {
      client.close();
      rmSync(folder, { recursive: true, force: true });
    },
  } satisfies Effects<Parameters<Parameters<typeof store.transact>[0]>[0]> & { database: unknown };
}

/** A consumer that waits next to nothing. */
export function quickConsumer<Types extends EventTypes, Tx>(
  options: Omit<ConsumerOptions<Types, Tx>, "url">,
) {
  return createConsumer<Types, Tx>({
    ...options,
    url: URL,
    // Otherwise failures that a test makes are printed.
    onError: options.onError ?? (() => {}),
    backoff: { delayMs: 2, maxDelayMs: 20, ...options.backoff },
    commitIntervalMs: options.commitIntervalMs ?? 10,
    client: { retry: { attempts: 2, delayMs: 1, maxDelayMs: 4 }, ...options.client },
  });
}
