import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { type ConsumerOfLog, type ConsumerRecord, listConsumers, listConsumersOfLogs } from "./consumers.ts";

/** Consumers that one query reads, so that it blocks the thread for milliseconds only. */
const PAGE = 500;

export interface ConsumerPagesDeps {
  readonly database: Database;
  readonly clock: Pick<Clock, "now" | "yield">;
}

/** Reads all consumers of a log in order of name, a page at a time. Other work of the thread runs between the pages. */
export async function* consumerPages(
  { database, clock }: ConsumerPagesDeps,
  log: LogAddress,
  { prefix, cursor: after }: { readonly prefix: string; readonly cursor: string } = {
    prefix: "",
    cursor: "",
  },
): AsyncGenerator<readonly ConsumerRecord[], void, undefined> {
  for (let cursor: string | undefined = after; cursor !== undefined;) {
    const query = { prefix, cursor, limit: PAGE };
    const page: readonly ConsumerRecord[] = await listConsumers(database, log, query, clock.now());
    yield page;
    cursor = page.length < PAGE ? undefined : page.at(-1)?.name;
    if (cursor !== undefined) await clock.yield();
  }
}

/**
 * Reads the consumers of all logs in order of log and name, a page at a time: a worker has few calls of its database, and most
 * logs have few consumers.
 */
export async function* consumerPagesOfLogs({
  database,
  clock,
}: ConsumerPagesDeps): AsyncGenerator<readonly ConsumerOfLog[], void, undefined> {
  let after: ConsumerOfLog | null = null;
  for (;;) {
    const page: readonly ConsumerOfLog[] = await listConsumersOfLogs(database, after, PAGE, clock.now());
    yield page;
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined) return;
    after = last;
    await clock.yield();
  }
}
