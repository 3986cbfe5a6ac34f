import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { type ConsumerRecord, listConsumers } from "./consumers.ts";

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
