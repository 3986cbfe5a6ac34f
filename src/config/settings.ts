import { z } from "zod";

import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";
import { LONGEST_TIMER_MS } from "../core/timer.ts";
import type { AnyFeedDefinition } from "../feeds/define/define.ts";
import { authSchema } from "./auth.ts";
import { objectivesSchema } from "./objectives.ts";
import { databaseAuthTokenSchema, databaseUrlSchema, readUrlSchema, tenantsSchema } from "./tenants.ts";

const MIB = 1024 * 1024;

/** One check in place of zod's three: each of them copies the schema, and there are many numbers. */
function numberSetting(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .number(message)
    .refine((value) => Number.isInteger(value) && value >= min && value <= max, message);
}

function flag() {
  return z.boolean("must be true or false");
}

/** The range of each limit. The upper bounds follow from SQLite, texts and connections. */
const LIMIT_RANGES: Readonly<Record<keyof Limits, readonly [min: number, max: number]>> = {
  eventBytes: [1, 256 * MIB],
  bodyBytes: [1, 256 * MIB],
  bodiesBytes: [MIB, 16 * 1024 * MIB],
  bodyTimeoutMs: [1, 60 * 60 * 1_000],
  answersBytes: [MIB, 16 * 1024 * MIB],
  answerTimeoutMs: [1, 60 * 60 * 1_000],
  eventsPerAppend: [1, 1_000_000],
  pageEvents: [1, 1_000_000],
  pageBytes: [1, 256 * MIB],
  streamNameBytes: [1, 4_096],
  typeBytes: [1, 4_096],
  metadataBytes: [2, 16 * MIB],
  jsonDepth: [1, 500],
  idempotencyKeyBytes: [1, 4_096],
  idempotencySeconds: [0, 10 * 365 * 24 * 60 * 60],
  followers: [1, 1_000_000],
  timeoutMs: [0, 60 * 60 * 1_000],
  replicaWaitMs: [0, 60_000],
  waitingAppends: [1, 1_000_000],
  consumers: [1, 1_000_000],
  consumerSeconds: [1, 366 * 24 * 3_600],
  keys: [1, 100_000],
  operationsSeconds: [1, 100 * 366 * 24 * 3_600],
  requestsPerSecond: [0, 1_000_000],
  subscriptions: [0, 100_000],
  blockedSubjects: [1, 1_000_000],
  retryAfterSeconds: [0, 366 * 24 * 3_600],
  cacheSeconds: [0, 366 * 24 * 3_600],
  tenants: [1, 10_000],
};

function limit(name: keyof Limits) {
  const [min, max] = LIMIT_RANGES[name];
  return numberSetting(min, max).default(DEFAULT_LIMITS[name]);
}

const limitsSchema = z.strictObject({
  eventBytes: limit("eventBytes"),
  bodyBytes: limit("bodyBytes"),
  bodiesBytes: limit("bodiesBytes"),
  bodyTimeoutMs: limit("bodyTimeoutMs"),
  answersBytes: limit("answersBytes"),
  answerTimeoutMs: limit("answerTimeoutMs"),
  eventsPerAppend: limit("eventsPerAppend"),
  pageEvents: limit("pageEvents"),
  pageBytes: limit("pageBytes"),
  streamNameBytes: limit("streamNameBytes"),
  typeBytes: limit("typeBytes"),
  metadataBytes: limit("metadataBytes"),
  jsonDepth: limit("jsonDepth"),
  idempotencyKeyBytes: limit("idempotencyKeyBytes"),
  idempotencySeconds: limit("idempotencySeconds"),
  followers: limit("followers"),
  timeoutMs: limit("timeoutMs"),
  replicaWaitMs: limit("replicaWaitMs"),
  waitingAppends: limit("waitingAppends"),
  consumers: limit("consumers"),
  consumerSeconds: limit("consumerSeconds"),
  keys: limit("keys"),
  operationsSeconds: limit("operationsSeconds"),
  requestsPerSecond: limit("requestsPerSecond"),
  subscriptions: limit("subscriptions"),
  blockedSubjects: limit("blockedSubjects"),
  retryAfterSeconds: limit("retryAfterSeconds"),
  cacheSeconds: limit("cacheSeconds"),
  tenants: limit("tenants"),
} satisfies Record<keyof Limits, z.ZodType>);

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const origin = z
  .string("must be an origin, such as https://app.example")
  .refine(
    (text) => text === "*" || (URL.canParse(text) && new URL(text).origin === text),
    "must be an origin, such as https://app.example, or *",
  );

/** A name that fits a banner. */
const MOST_ENVIRONMENT_CHARACTERS = 40;

const fileName = z.string("must be the path of a file").min(1, "must not be empty");

/** The defaults. */
const DEFAULTS = {
  host: "127.0.0.1",
  port: 4000,
  databaseUrl: "file:data/kilde.db",
  behindProxy: false,
  open: false,
  correlations: false,
  corsOrigin: [],
  accessLog: true,
  logLevel: "info",
  pollIntervalMs: 100,
  secretKeys: [],
  egressAllow: [],
  shutdownTimeoutMs: 10_000,
} as const;

/** The schema of all settings with their defaults, and of `kilde.config.ts`. */
export const settingsSchema = z.strictObject({
  host: z.string("must be a host name or an address").min(1, "must not be empty").default(DEFAULTS.host),
  port: numberSetting(0, 65_535).default(DEFAULTS.port),
  databaseUrl: databaseUrlSchema.default(DEFAULTS.databaseUrl),
  databaseAuthToken: databaseAuthTokenSchema,
  /** A replica of the database, which serves reads that tolerate its lag. */
  readUrl: readUrlSchema,
  behindProxy: flag().default(DEFAULTS.behindProxy),
  /** Serves everyone, as long as no key or issuer has existed. */
  open: flag().default(DEFAULTS.open),
  /** Files with a chain of certificates and its private key, in PEM. */
  tlsCert: fileName.optional(),
  tlsKey: fileName.optional(),
  /** Lets its holder read the metrics of a process with tenants. */
  metricsToken: z.string("must be a text").min(32, "must have at least 32 characters").optional(),
  corsOrigin: z.array(origin, "must be a list of origins").default([...DEFAULTS.corsOrigin]),
  accessLog: flag().default(DEFAULTS.accessLog),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default(DEFAULTS.logLevel),
  pollIntervalMs: numberSetting(1, 60_000).default(DEFAULTS.pollIntervalMs),
  /** Seals webhook secrets at rest: `id:key` each, the key 32 bytes in base64, the newest first. */
  secretKeys: z.array(z.string("must be a text"), "must be a list").default([...DEFAULTS.secretKeys]),
  /** Destinations of webhooks besides public addresses: addresses, ranges, names, or `*` for everywhere. */
  egressAllow: z.array(z.string("must be a text"), "must be a list").default([...DEFAULTS.egressAllow]),
  shutdownTimeoutMs: numberSetting(0, LONGEST_TIMER_MS).default(DEFAULTS.shutdownTimeoutMs),
  /** Indexes the correlations of events, for `GET /events/correlated`. */
  correlations: flag().default(DEFAULTS.correlations),
  /** Folder with the backups of the database, whose newest one the metrics name; with tenants, each has a folder in it. */
  backupFolder: z.string("must be a folder").min(1, "must be a folder").optional(),
  /** Names the place of the server among others, such as `production`, for the people who look at it. */
  environment: z
    .string("must be a name")
    .max(MOST_ENVIRONMENT_CHARACTERS, `must have at most ${MOST_ENVIRONMENT_CHARACTERS} characters`)
    .regex(
      /^[^\p{C}\s](?:[^\p{C}]*[^\p{C}\s])?$/u,
      "must be a name without control characters or surrounding space",
    )
    .optional(),
  limits: limitsSchema.prefault({}),
  /** Only in `kilde.config.ts`. `compileFeeds` checks the definitions. */
  feeds: z
    .array(
      z.custom<AnyFeedDefinition>(
        (value) => typeof value === "object" && value !== null,
        "must be made by defineFeed",
      ),
      "must be a list of feeds",
    )
    .default([]),
  /** Only in `kilde.config.ts`: the issuers whose tokens are accepted. */
  auth: authSchema,
  /** Only in `kilde.config.ts`: the lag and silence that are accepted of consumers, feeds and subscriptions. */
  objectives: objectivesSchema,
  /** Only in `kilde.config.ts`: databases in addition to or in place of `databaseUrl`. */
  tenants: tenantsSchema,
});

export interface SettingValues extends z.output<typeof settingsSchema> {
  /** Whether `databaseUrl` was set. Beside tenants that database is served only then. */
  readonly databaseStated: boolean;
}

export interface Settings extends SettingValues {
  /** Absolute path of `kilde.config.ts`, for threads that load it too; null when there is none. */
  readonly configFile: string | null;
}

/** The settings that `kilde.config.ts` exports. */
export type KildeConfig = z.input<typeof settingsSchema>;

/** The settings without any source. */
export const DEFAULT_SETTINGS: Settings = {
  ...DEFAULTS,
  corsOrigin: [],
  egressAllow: [],
  secretKeys: [],
  limits: DEFAULT_LIMITS,
  feeds: [],
  auth: { issuers: [] },
  tenants: [],
  databaseStated: false,
  configFile: null,
};
