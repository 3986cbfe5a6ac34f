import type { SettingValues } from "../config/settings.ts";
import type { BackgroundWork } from "../core/background.ts";
import type { Clock } from "../core/clock.ts";
import type { DeliveryRunEvent } from "../delivery/run.ts";
import { openSecrets } from "../delivery/secrets.ts";
import { deliverInSlices } from "../delivery/slice.ts";
import { createAddressRules } from "../egress/address-rules.ts";
import { checkEndpoint } from "../egress/endpoint.ts";
import type { Answer, Outgoing, Send } from "../egress/outgoing.ts";
import type { Database } from "../log/database.ts";
import { openLogReader } from "../log/reader.ts";
import type { BatchWriter } from "../log/writer.ts";
import { sealWith } from "../server/seal.ts";

/** For a request, with its answer; as on a server. */
const TIMEOUT_MS = 15_000;

/**
 * Sends by the platform's fetch. What a name resolves to is the platform's to judge, whose fetch has no way into a
 * private network; an address in the URL is judged here.
 */
export function workerSend({ egressAllow }: Pick<SettingValues, "egressAllow">, clock: Clock): Send {
  const rules = createAddressRules(egressAllow);
  return async ({ method, url, headers, body }: Outgoing): Promise<Answer> => {
    const started = clock.monotonic();
    const durationMs = () => Math.round(clock.monotonic() - started);
    const failed = (category: "address-refused" | "timeout" | "connection"): Answer => ({
      kind: "failed",
      category,
      durationMs: durationMs(),
    });
    if (checkEndpoint(url, rules) !== null) return failed("address-refused");
    const late = new AbortController();
    const done = new AbortController();
    void clock.sleep(TIMEOUT_MS, done.signal).then(() => late.abort());
    const { signal } = late;
    try {
      const response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
      await response.body?.cancel();
      const { status } = response;
      const header = (name: string) => response.headers.get(name);
      return { kind: "answered", status, header, durationMs: durationMs() };
    } catch {
      return failed(signal.aborted ? "timeout" : "connection");
    } finally {
      done.abort();
    }
  };
}

export interface WorkerDeliveryDeps {
  readonly settings: SettingValues;
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly holder: string;
  readonly onEvent: (event: DeliveryRunEvent) => void;
}

/** Delivers webhooks, a slice at a time. */
export function deliveringWork(deps: WorkerDeliveryDeps): BackgroundWork {
  const { settings, database, clock } = deps;
  const { limits, pollIntervalMs, secretKeys } = settings;
  const seal = sealWith(secretKeys);
  return deliverInSlices({
    ...deps,
    chance: () => Math.random(),
    send: workerSend(settings, clock),
    secretsOf: (subscription) => openSecrets(seal, subscription, clock.now()),
    readerOf: (log) => openLogReader({ database, clock, limits, pollIntervalMs }, log),
    blockedSubjects: limits.blockedSubjects,
  });
}
