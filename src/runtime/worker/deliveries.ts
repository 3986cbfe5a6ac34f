import type { SettingValues } from "../../config/settings.ts";
import type { Job } from "../../jobs/job.ts";
import type { Clock } from "../../core/clock.ts";
import type { DeliveryRunEvent } from "../../webhooks/dispatch/delivery-event.ts";
import { openSecrets } from "../../webhooks/subscriptions/secrets.ts";
import { deliverInSlices } from "../../webhooks/dispatch/slice.ts";
import type { Database } from "../../storage/database.ts";
import { openLogReader } from "../../log/read/reader.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { sealWith } from "../../webhooks/signing/configured-seal.ts";
import type { Calls } from "./call-budget.ts";
import { workerSend } from "./send.ts";

export interface WorkerDeliveryDeps {
  readonly settings: SettingValues;
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly calls: Pick<Calls, "spend">;
  readonly holder: string;
  readonly publicLogs: readonly string[];
  readonly onEvent: (event: DeliveryRunEvent) => void;
}

/** Creates the job that delivers webhooks, a slice at a time. */
export function deliveringWork(deps: WorkerDeliveryDeps): Job {
  const { settings, database, clock, calls } = deps;
  const { limits, pollIntervalMs, secretKeys } = settings;
  const seal = sealWith(secretKeys);
  const send = workerSend(settings, clock);
  return deliverInSlices({
    ...deps,
    chance: () => Math.random(),
    send(request, signal) {
      calls.spend();
      return send(request, signal);
    },
    secretsOf: (subscription) => openSecrets(seal, subscription, clock.now()),
    readerOf: (log) => openLogReader({ database, clock, limits, pollIntervalMs }, log),
    blockedSubjects: limits.blockedSubjects,
    mostRetryAfterMs: limits.retryAfterSeconds * 1_000,
  });
}
