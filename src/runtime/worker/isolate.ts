import type { TokenIssuers } from "../../access/access.ts";
import { openIssuers } from "../../access/issuers.ts";
import { type AccessMemory, createAccessMemory } from "../../access/key-memory.ts";
import { type OidcClient, openOidc } from "../../access/oidc.ts";
import { createDenialMemory, type DenialMemory } from "../../administration/denials.ts";
import type { ServedDatabase } from "../../config/served.ts";
import type { KildeConfig, SettingValues } from "../../config/settings.ts";
import type { Clock } from "../../core/clock.ts";
import { type RegisteredFeed, registerFeeds } from "../../feeds/lifecycle/register.ts";
import { createSenderRates, type SenderRates } from "../../http/pipeline/sender-limits.ts";
import { createSchemas, type RequestSchemas } from "../../http/openapi/schemas.ts";
import type { Database } from "../../storage/database.ts";
import { storageError } from "../../storage/failures.ts";
import { migrate } from "../../log/migrate.ts";
import { serverFeeds } from "../server-feeds.ts";
import { isAboutProgram } from "../program-fault.ts";
import { databaseChooser } from "./served.ts";
import { environmentOf, workerSettings } from "./settings.ts";
import { createWriteQueue, type WriteQueue } from "./write-queue.ts";

/** Placeholders for settings that are unknown before the first request. */
const BOUND_LATER = { KILDE_DATABASE_URL: "http://bound.later" };

/** The values that derive from the settings alone. */
export interface Configured {
  readonly settings: SettingValues;
  readonly schemas: RequestSchemas;
  /** Keeps the keys of issuers; null: none are configured. */
  readonly issuers: TokenIssuers | null;
  /** Keeps the description of the OpenID provider; null: none is configured. */
  readonly oidc: OidcClient | null;
  /** Returns the database of a request; null: none. */
  readonly databaseFor: (request: Request) => ServedDatabase | null;
}

/**
 * The memory of a store that an isolate keeps between requests: plain data, and never anything that a request waits
 * for or communicates through, since that would end with the request that made it.
 */
export interface RememberedStore {
  readonly turns: WriteQueue;
  readonly keys: AccessMemory;
  /** Counts the requests of senders. */
  senders(requestsPerSecond: number): SenderRates;
  readonly denials: DenialMemory;
  /** Paths of halted feeds that were retried at the event that halts them. */
  readonly retried: Set<string>;
  /** Migrates the schema and gives each feed its log, unless this isolate has done so before. */
  registered(configured: Configured, database: Database): Promise<readonly RegisteredFeed[]>;
}

/** The memory that an isolate keeps between requests. */
export interface Isolate {
  /** Throws a `ConfigError`. */
  configured(bindings: unknown): Configured;
  /** Returns the memory of a tenant's store, or of the only store. */
  store(name: string): RememberedStore;
  /** Whether a key or issuer has ever existed in a database that this isolate has served. */
  isSecured(): boolean;
}

function rememberedStore(definitions: KildeConfig["feeds"] = [], clock: Clock): RememberedStore {
  let counted: { readonly requestsPerSecond: number; readonly rates: SenderRates } | null = null;
  let done: { readonly configured: Configured; readonly feeds: readonly RegisteredFeed[] } | null = null;
  return {
    turns: createWriteQueue(clock),
    keys: createAccessMemory(),
    senders(requestsPerSecond) {
      if (counted?.requestsPerSecond !== requestsPerSecond)
        counted = { requestsPerSecond, rates: createSenderRates(requestsPerSecond) };
      return counted.rates;
    },
    denials: createDenialMemory(),
    retried: new Set(),
    async registered(configured, database) {
      if (done?.configured === configured) return done.feeds;
      // Requests that arrive before the first is done repeat this; each finds the other's results.
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

/**
 * Creates the memory of an isolate. Throws a `FeedDefinitionsError` at once for invalid feeds, so that they are not
 * deployed.
 */
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
            issuers: openIssuers(settings.auth.issuers, {
              clock,
              fetch: (url, init) => fetch(url, init),
              consumerBytes: settings.limits.streamNameBytes,
            }),
            oidc: openOidc(settings.auth.oidc, { clock, fetch: (url, init) => fetch(url, init) }),
            databaseFor: databaseChooser(settings),
          },
        };
      }
      return known.configured;
    },
    isSecured: () => [...stores.values()].some(({ keys }) => keys.known?.isSecured === true),
    store(name) {
      const store = stores.get(name) ?? rememberedStore(config.feeds, clock);
      stores.set(name, store);
      return store;
    },
  };
}
