import type { Context } from "hono";

// Imported file by file: the whole package also measures the process, by APIs that workers lack.
import Gauge from "prom-client/lib/gauge.js";
import Registry from "prom-client/lib/registry.js";

import { correlationProgress } from "../../log/read/correlations.ts";
import { readHead } from "../../log/read/subjects.ts";
import { readSweepBacklog } from "../../log/erase/sweeper.ts";
import { feedGauges } from "../feeds/metrics.ts";
import { consumerGauges } from "../consumers/metrics.ts";
import type { AppDeps } from "../deps.ts";
import { readiness } from "./service.ts";
import { type GaugeOf, subscriptionGauges } from "../subscriptions/metrics.ts";
import { textAnswer } from "../wire/text-answer.ts";

/**
 * Metrics in Prometheus' text format. Kilde reads gauges from the database at each scrape, since counters in memory could
 * disagree with it; each process counts its own work (`core/measures.ts`).
 */

/** Set only for a store with a replica. */
const REPLICA_HEAD = ["replica_head", "Position of the last event that the replica has"] as const;
/** Set only for a store that indexes correlations. */
const CORRELATIONS_LAG = [
  "correlations_lag_events",
  "Positions of the event log whose correlations are not indexed yet",
] as const;
/** Set only by a process with tenants. */
const TENANT_UP = ["tenant_up", "1 if the tenant's database could be read just now"] as const;

/** Of the process, whichever stores it serves. */
const RESIDENT_MEMORY = { name: "kilde_resident_memory_bytes", help: "Memory of the process" } as const;

/** A store that is measured. */
export interface Measured {
  /** Labels that distinguish the store; every store has the same label names. */
  readonly labels: Readonly<Record<string, string>>;
  /** Null: the store cannot be used now. */
  readonly deps: AppDeps | null;
}

interface StoreMetric {
  readonly name: string;
  readonly help: string;
  /** Null: the store has no value. */
  readonly value: (deps: AppDeps) => number | null | Promise<number | null>;
}

const STORE_METRICS: readonly StoreMetric[] = [
  {
    name: "ready",
    help: "1 if storage accepted a write just now",
    // A store that is not ready is still measured, as far as it can be read.
    value: (deps) =>
      readiness(deps).then(
        () => 1,
        () => 0,
      ),
  },
  {
    name: "event_log_head",
    help: "Position of the last event",
    value: ({ database, reader }) => readHead(database, reader.address),
  },
  {
    name: "database_size_bytes",
    help: "Size of the file of the database, which an embedded database has",
    value: async ({ database }) => (await database.sizes?.())?.database ?? null,
  },
  {
    name: "wal_size_bytes",
    help: "Size of the write-ahead log of that file",
    value: async ({ database }) => (await database.sizes?.())?.wal ?? null,
  },
  {
    name: "followers",
    help: "Requests that follow a log in this process",
    value: ({ followers }) => followers.count(),
  },
  {
    name: "followers_limit",
    help: "Most requests that may follow a log in this process",
    value: ({ limits }) => limits.followers,
  },
  {
    name: "erasures_pending",
    help: "Erasures of which storage may still hold data",
    value: async ({ database }) => (await readSweepBacklog(database)).erasures,
  },
  {
    name: "sweep_failures",
    help: "Attempts of this process to remove erased data that failed, since the last that succeeded",
    value: ({ sweepFailure }) => sweepFailure()?.attempts ?? 0,
  },
  {
    name: "backup_timestamp_seconds",
    help: "When the newest backup in the setting `backupFolder` was finished; 0: the folder has none, or cannot be read",
    value: async ({ newestBackup }) => {
      const finishedMs = await newestBackup();
      return finishedMs === null ? null : finishedMs / 1_000;
    },
  },
  {
    name: "body_bytes",
    help: "Bytes of request bodies that are held in this process",
    value: ({ bodies }) => bodies.held(),
  },
  {
    name: "answer_bytes",
    help: "Bytes of answers that clients have not read yet, in this process",
    value: ({ answers }) => answers.held(),
  },
];

/** Creates the gauges of a store. Returns a function that sets them. */
function storeGauges(gauge: GaugeOf) {
  const build = gauge("build_info", "1; the version of the program is a label", ["version"]);
  const gauges = STORE_METRICS.map(({ name, help, value }) => ({ each: gauge(name, help), value }));
  const setFeed = feedGauges(gauge);
  const setSubscriptions = subscriptionGauges(gauge);
  const setConsumers = consumerGauges(gauge);
  let replicaHead: Gauge | null = null;
  let correlationsLag: Gauge | null = null;

  return async (labels: Measured["labels"], deps: AppDeps): Promise<void> => {
    const { reader, feeds, database } = deps;
    build.set({ ...labels, version: deps.version }, 1);
    for (const { each, value } of gauges) {
      const measured = await value(deps);
      if (measured !== null) each.set(labels, measured);
    }
    if (reader.replica) {
      // A replica that cannot be read has no value, and must not keep the other metrics from being reported.
      const replicated = await reader.head().catch(() => null);
      if (replicated !== null) {
        replicaHead ??= gauge(...REPLICA_HEAD);
        replicaHead.set(labels, replicated);
      }
    }
    if (deps.correlations !== "off") {
      const progress = await correlationProgress(database);
      correlationsLag ??= gauge(...CORRELATIONS_LAG);
      correlationsLag.set(labels, progress.head - progress.indexed);
    }
    const states = await feeds.states(feeds.all);
    const logs = [reader.address, (await deps.operations.reader()).address];
    for (const open of feeds.all) {
      const state = states.get(open);
      if (state === undefined) continue;
      logs.push(open.log);
      setFeed(labels, open, state);
    }
    await setConsumers(labels, deps, logs);
    await setSubscriptions(labels, deps);
  };
}

/** Longest wait for one of several stores, in milliseconds, so that a slow one does not delay the others. */
const DEADLINE_MS = 2_000;

async function withinDeadline({ clock }: AppDeps, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = clock.sleep(DEADLINE_MS, done.signal).then(() => {
    if (!done.signal.aborted) throw new Error(`not measured within ${DEADLINE_MS} ms`);
  });
  await Promise.race([work, late]).finally(() => done.abort());
}

/** Measures one store or several. A store that cannot be measured now is reported as down. */
export async function metricsOf(stores: readonly Measured[]) {
  const registry = new Registry();
  const own = Object.keys(stores[0]?.labels ?? {});
  const gauge: GaugeOf = (name, help, labelNames = []) =>
    new Gauge({ name: `kilde_${name}`, help, labelNames: [...own, ...labelNames], registers: [registry] });
  const measure = storeGauges(gauge);
  const counted = stores.flatMap(({ labels, deps }) =>
    deps === null ? [] : [{ labels, measures: deps.measures, deps }],
  );
  const { process = null, loadMeasured = null } = counted[0]?.deps ?? {};
  const register = await loadMeasured?.();
  register?.(registry, own, [
    ...counted,
    ...(process === null ? [] : [{ labels: {}, measures: process.measures }]),
  ]);
  if (process !== null) {
    const memory = new Gauge({ ...RESIDENT_MEMORY, labelNames: [], registers: [registry] });
    memory.set(process.residentBytes());
  }
  if (own.length === 0) {
    for (const { labels, deps } of stores) if (deps !== null) await measure(labels, deps);
  } else {
    const up = gauge(...TENANT_UP);
    const setUp = async ({ labels, deps }: Measured) => {
      const measured =
        deps === null
          ? false
          : await withinDeadline(deps, measure(labels, deps)).then(
              () => true,
              () => false,
            );
      up.set(labels, measured ? 1 : 0);
    };
    await Promise.all(stores.map(setUp));
  }
  return { text: await registry.metrics(), mediaType: registry.contentType };
}

export function metricsAnswer(
  c: Context,
  { text, mediaType }: Awaited<ReturnType<typeof metricsOf>>,
): Response {
  return textAnswer(c, text, 200, { "Content-Type": mediaType, "Cache-Control": "no-store" });
}

/** A gauge as its documentation lists it. */
export interface GaugeDescription {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** Describes every gauge that a process may have, without measuring. */
export function gaugeDescriptions(): readonly GaugeDescription[] {
  const descriptions: GaugeDescription[] = [];
  const describe: GaugeOf = (name, help, labelNames = []) => {
    descriptions.push({ name: `kilde_${name}`, help, labelNames });
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [] });
  };
  storeGauges(describe);
  describe(...REPLICA_HEAD);
  describe(...CORRELATIONS_LAG);
  describe(...TENANT_UP);
  descriptions.push({ ...RESIDENT_MEMORY, labelNames: [] });
  return descriptions;
}
