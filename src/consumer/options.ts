import { type OptionNames, refuseUnknownOptions } from "../core/known-options.ts";
import type { Need } from "./ensure.ts";
import type { ConsumerOptions, MigrateFrom } from "./consumer.ts";
import type { ReconstituteOptions } from "./reconstitute.ts";
import type { EventTypes } from "./types.ts";

type Names = ConsumerOptions<EventTypes, unknown>;

const OPTIONS: OptionNames<Names> = {
  url: true,
  feed: true,
  name: true,
  store: true,
  handle: true,
  reset: true,
  migrateFrom: true,
  transport: true,
  from: true,
  backoff: true,
  batchEvents: true,
  commitIntervalMs: true,
  reconstituteEveryMs: true,
  onError: true,
  onReconstituted: true,
  client: true,
  clock: true,
  random: true,
};

const MIGRATE_FROM: OptionNames<MigrateFrom<EventTypes, unknown>> = { feed: true, handle: true, reset: true };

const NEED: OptionNames<Need> = { version: true, asOf: true };

const RECONSTITUTE: OptionNames<ReconstituteOptions> = {
  all: true,
  requestsPerSecond: true,
  pageSize: true,
  onProgress: true,
  signal: true,
};

/** Throws a TypeError for an unknown option, also within `backoff`. */
export function checkOptions({ migrateFrom, ...options }: Partial<Names>, backoff: object): void {
  refuseUnknownOptions("createConsumer", options, OPTIONS);
  refuseUnknownOptions("createConsumer, migrateFrom", migrateFrom ?? {}, MIGRATE_FROM);
  refuseUnknownOptions("createConsumer, backoff", options.backoff ?? {}, backoff);
}

export function checkNeed(need: Need): void {
  refuseUnknownOptions("ensure", need, NEED);
}

export function checkReconstitute(options: ReconstituteOptions): void {
  refuseUnknownOptions("reconstitute", options, RECONSTITUTE);
}
