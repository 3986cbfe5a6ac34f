import type { ServedDatabase } from "../../config/served.ts";
import type { KildeConfig, SettingValues } from "../../config/settings.ts";
import type { Clock } from "../../core/clock.ts";
import { type RegisteredFeed, registerFeeds } from "../../feeds/lifecycle/register.ts";
import { createSchemas, type RequestSchemas } from "../../http/openapi/schemas.ts";
import type { Database } from "../../storage/database.ts";
import { storageError } from "../../storage/failures.ts";
import { migrate } from "../../log/migrate.ts";
import { serverFeeds } from "../server-feeds.ts";
import { isAboutProgram } from "../program-fault.ts";
import { databaseChooser } from "./served.ts";
import { environmentOf, workerSettings } from "./settings.ts";
import { createWriteQueue, type WriteQueue } from "./write-queue.ts";

/** Stands for what is not known before the first request. */
const BOUND_LATER = { KILDE_DATABASE_URL: "http://bound.later", KILDE_BEHIND_PROXY: "true" };

/** What is worked out from the settings alone. */
export interface Configured {
  readonly settings: SettingValues;
  readonly schemas: RequestSchemas;
  /** The database that a request is for; null: none. */
  readonly databaseFor: (request: Request) => ServedDatabase | null;
}

/**
 * What an isolate remembers of a store from one request to the next: plain data, and never anything that a request
 * waits for or speaks through, which would end with the request that made it.
 */
export interface RememberedStore {
  readonly turns: WriteQueue;
  /** Paths of feeds that were tried again at the event they are halted at. */
  readonly retried: Set<string>;
  /** Brings the schema up to date and gives each feed its log, unless that was done from here before. */
  registered(configured: Configured, database: Database): Promise<readonly RegisteredFeed[]>;
}

/** What an isolate remembers. */
export interface Isolate {
  /** Throws a `ConfigError`. */
  configured(bindings: unknown): Configured;
  /** The store of a tenant, or the only one. */
  store(name: string): RememberedStore;
}

function rememberedStore(definitions: KildeConfig["feeds"] = [], clock: Clock): RememberedStore {
  let done: { readonly configured: Configured; readonly feeds: readonly RegisteredFeed[] } | null = null;
  return {
    turns: createWriteQueue(clock),
    retried: new Set(),
    async registered(configured, database) {
      if (done?.configured === configured) return done.feeds;
      // Requests that come before the first is through do the same: each finds done what another did.
      const compiled = serverFeeds(definitions, configured.settings.limits);
      try {
        await migrate(database);
        const feeds = await registerFeeds(database, clock, compiled);
        done = { configured, feeds };
        return feeds;
      } catch (error) {
        throw isAboutProgram(error) ? error : storageError(error);
      }
    },
  };
}

/** Throws a `FeedDefinitionsError` at once for feeds that cannot be served, so that they are not deployed. */
export function createIsolate(config: KildeConfig, clock: Clock): Isolate {
  let known: { readonly key: string; readonly configured: Configured } | null = null;
  const stores = new Map<string, RememberedStore>();
  serverFeeds(config.feeds ?? [], workerSettings(config, BOUND_LATER).limits);
  return {
    configured(bindings) {
      const environment = environmentOf(config, bindings);
      const key = JSON.stringify(environment);
      if (known?.key !== key) {
        const settings = workerSettings(config, environment);
        known = {
          key,
          configured: {
            settings,
            schemas: createSchemas(settings.limits),
            databaseFor: databaseChooser(settings),
          },
        };
      }
      return known.configured;
    },
    store(name) {
      const store = stores.get(name) ?? rememberedStore(config.feeds, clock);
      stores.set(name, store);
      return store;
    },
  };
}
