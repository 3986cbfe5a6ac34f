import { z } from "zod";

import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";
import { databaseFile } from "../core/database-url.ts";

/** Longer waits than this overflow a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const MIB = 1024 * 1024;

function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z.int(message).min(min, message).max(max, message);
}

function flag() {
  return z.boolean("must be true or false");
}

/** What a limit may be set to. The upper bounds are what SQLite, a text or a connection can hold. */
const LIMIT_RANGES: Readonly<Record<keyof Limits, readonly [min: number, max: number]>> = {
  eventBytes: [1, 256 * MIB],
  bodyBytes: [1, 256 * MIB],
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
  // A connection that is silent for 255 seconds is closed.
  timeoutMs: [0, 240_000],
  waitingAppends: [1, 1_000_000],
};

function limit(name: keyof Limits) {
  const [min, max] = LIMIT_RANGES[name];
  return wholeNumber(min, max).default(DEFAULT_LIMITS[name]);
}

const limitsSchema = z.strictObject({
  eventBytes: limit("eventBytes"),
  bodyBytes: limit("bodyBytes"),
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
  waitingAppends: limit("waitingAppends"),
} satisfies Record<keyof Limits, z.ZodType>);

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const origin = z
  .string("must be an origin, such as https://app.example")
  .refine(
    (text) => text === "*" || (URL.canParse(text) && new URL(text).origin === text),
    "must be an origin, such as https://app.example, or *",
  );

/** Everything that can be set, with its default. What `kilde.config.ts` may hold. */
export const settingsSchema = z.strictObject({
  host: z.string("must be a host name or an address").min(1, "must not be empty").default("127.0.0.1"),
  port: wholeNumber(0, 65_535).default(4000),
  databaseUrl: z
    .string("must be a URL")
    .refine(
      (url) => url === ":memory:" || /^(https?|libsql):\/\/./.test(url) || databaseFile(url) !== null,
      "must be file:<path>, :memory:, or the http(s):// or libsql:// address of a libSQL server",
    )
    .default("file:data/kilde.db"),
  databaseAuthToken: z.string("must be a text").min(1, "must not be empty").optional(),
  behindProxy: flag().default(false),
  corsOrigin: z.array(origin, "must be a list of origins").default([]),
  accessLog: flag().default(true),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
  pollIntervalMs: wholeNumber(1, 60_000).default(100),
  shutdownTimeoutMs: wholeNumber(0, MAX_TIMER_MS).default(10_000),
  limits: limitsSchema.prefault({}),
});

export type Settings = z.output<typeof settingsSchema>;

/** What `kilde.config.ts` exports: any of the settings. */
export type KildeConfig = z.input<typeof settingsSchema>;

/** The value of a setting that nobody set, for help texts. */
export const DEFAULT_SETTINGS: Settings = settingsSchema.parse({});
