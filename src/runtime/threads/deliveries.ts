import type { DeliveryRunEvent } from "../../webhooks/dispatch/delivery-event.ts";
import { type Delivering, deliver } from "../../webhooks/dispatch/run.ts";
import { openSecrets } from "../../webhooks/subscriptions/secrets.ts";
import { createEgress } from "../../webhooks/egress/egress.ts";
import type { Limits } from "../../core/limits.ts";
import type { Measures } from "../../core/measures.ts";
import type { Database } from "../../storage/database.ts";
import type { HeadWatch } from "../../log/follow/head-watch.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { LogState } from "../../log/log-state.ts";
import { type LogReader, openLogReader } from "../../log/read/reader.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { createEndedHolders } from "../../storage/ended-holders.ts";
import { systemClock } from "../../core/system-clock.ts";
import { sealWith } from "../../webhooks/signing/configured-seal.ts";

export interface DeliveryOptions {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly measures: Measures;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  /** Looks up the heads of several logs together. Default: each reader looks up its own. */
  readonly heads?: HeadWatch;
  /** Name of this process among those on the database. */
  readonly holder: string;
  readonly egressAllow: readonly string[];
  readonly secretKeys: readonly string[];
  /** Paths of the logs that everyone may read. */
  readonly publicLogs: readonly string[];
  readonly onEvent: (event: DeliveryRunEvent) => void;
}

/** Deliveries that run in this thread. */
export interface RunningDeliveries extends Omit<Delivering, "notify"> {
  /** Reports a new head of a log. */
  notify(path: string, log: LogState): void;
}

/** Delivers webhooks in this thread until it is closed. */
export function runDeliveries(options: DeliveryOptions): RunningDeliveries {
  const { database, limits, pollIntervalMs, heads, egressAllow, secretKeys } = options;
  const readers = new Map<string, LogReader>();
  const readerOf = (log: LogAddress): LogReader => {
    const known = readers.get(log.name);
    if (known !== undefined) return known;
    const reader = openLogReader(
      { database, clock: systemClock, limits, pollIntervalMs, ...(heads === undefined ? {} : { heads }) },
      log,
    );
    readers.set(log.name, reader);
    return reader;
  };
  const egress = createEgress({ allow: egressAllow, clock: systemClock });
  const seal = sealWith(secretKeys);
  const delivering = deliver({
    ...options,
    clock: systemClock,
    hasEnded: createEndedHolders(),
    chance: () => Math.random(),
    send: egress.send,
    secretsOf: (subscription) => openSecrets(seal, subscription, systemClock.now()),
    readerOf,
    blockedSubjects: limits.blockedSubjects,
    mostRetryAfterMs: limits.retryAfterSeconds * 1_000,
  });
  return {
    changed: (subscription) => delivering.changed(subscription),
    notify(path, log) {
      readers.get(path)?.notify(log);
      delivering.notify();
    },
    async close() {
      await delivering.close();
      egress.close();
      for (const reader of readers.values()) reader.close();
    },
  };
}
