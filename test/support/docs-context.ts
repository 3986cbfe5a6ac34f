/**
 * Names that examples in the documentation take from the text around them, or from an example before, as globals. The
 * type checker compiles each example together with this text.
 */
export const DOCS_CONTEXT = `
import type { Hono } from "hono";
import type * as drizzleOrm from "drizzle-orm";
import type * as kildeConfig from "kilde";
import type * as kildeClient from "kilde/client";
import type * as kildeConsumer from "kilde/consumer";
import type * as kildeWebhook from "kilde/webhook";
import type * as kildeWorker from "kilde/worker";
import type { Decider } from "kilde/decider";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import type { AnySQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { AccountCommand, AccountEvent, Account } from "./account.ts";
import type { declarations as declarationsFeed } from "./declarations.ts";
import type { balances as balancesFeed } from "./balances.ts";

type Tx = Parameters<Parameters<LibSQLDatabase<Record<string, never>>["transaction"]>[0]>[0];
type Types = kildeConsumer.TypesOf<typeof declarationsFeed>;

declare global {
  const app: Hono;
  const config: kildeConfig.KildeConfig;
  const consumer: kildeConsumer.Consumer;
  const correlationId: string;
  const cursor: string;
  const idempotencyKey: string;
  const kilde: kildeClient.Client;
  const secret: string;
  const url: string;
  const options: kildeConsumer.ConsumerOptions<Types, Tx>;
  const payments: SQLiteTable & { declaration: AnySQLiteColumn };
  const account: Decider<AccountCommand, AccountEvent, Account>;
  const declarations: typeof declarationsFeed;
  const balances: typeof balancesFeed;
  const handle: (event: kildeClient.KildeEvent) => Promise<void>;
  const handleV1: (event: kildeConsumer.ConsumerEvent, tx: Tx) => Promise<void>;
  const handleV2: (event: kildeConsumer.ConsumerEvent, tx: Tx) => Promise<void>;
  const eq: typeof drizzleOrm.eq;
  const consent: typeof kildeWebhook.consent;
  const createClient: typeof kildeClient.createClient;
  const createConsumer: typeof kildeConsumer.createConsumer;
  const createWorker: typeof kildeWorker.createWorker;
  const feed: typeof kildeConsumer.feed;
  const Deno: {
    env: { toObject(): Record<string, string> };
    serve(fetch: (request: Request) => Promise<Response>): void;
    cron(name: string, schedule: string, work: () => Promise<void>): void;
  };
}
`;
