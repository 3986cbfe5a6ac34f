import { measureCommands } from "./commands.ts";
import { measureConsuming, measureEnsure, measureReconstitution, RECONSTITUTED } from "./consumers.ts";
import type { BenchmarkOptions, Course } from "./course.ts";
import { measureFeedLatency } from "./feed-latency.ts";
import { measureImport } from "./import.ts";
import { measureKeys } from "./keys.ts";
import { measureNodeClient } from "./node-client.ts";
import { CONNECTIONS, measureNodes } from "./nodes.ts";
import { measureProjection } from "./projection.ts";
import { measureAppendsBesideFeeds, measureAppendsBesideSubscription } from "./publishing.ts";
import type { Row, WorkResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import { measureScale } from "./scale.ts";
import { measureStart } from "./start.ts";
import { measureTakeover } from "./takeover.ts";
import { measureDeliveries, measureDeliveryLatency } from "./webhooks.ts";
import { measureWorker } from "./worker.ts";
import { resultOf } from "./work-result.ts";

type MeasureRows = (sandbox: Sandbox, options: BenchmarkOptions) => Promise<Row[]>;

/** A course with one result. */
function course(name: string, title: string, unit: WorkResult["unit"], measureRows: MeasureRows): Course {
  return {
    name,
    measure: async (sandbox, options) => [resultOf(name, title, unit, await measureRows(sandbox, options))],
  };
}

async function measureStarts(sandbox: Sandbox, options: BenchmarkOptions): Promise<readonly WorkResult[]> {
  const programs = [
    ...(options.binary === null ? [] : [{ name: "binary", command: [options.binary] }]),
    { name: "source", command: options.source },
  ];
  const { time, memory } = await measureStart(sandbox, programs, options.rounds);
  return [
    resultOf("start", "From starting the process to its first 200", "ms", time),
    resultOf("idle-memory", "Memory when idle", "MB", memory),
  ];
}

async function measureKeyCosts(sandbox: Sandbox, options: BenchmarkOptions): Promise<readonly WorkResult[]> {
  const { throughput, cpu } = await measureKeys(sandbox, options.command, options);
  const title = "Appends of one event with a key, 64 connections";
  return [
    resultOf("append-key", title, "events/s", throughput),
    resultOf("append-key-cpu", `${title}: CPU time of the server for each`, "µs", cpu),
  ];
}

/** Works with a course of their own, in the order in which they are done. */
export const COURSES: readonly Course[] = [
  course("projection", "Building feeds: events published", "events/s", measureProjection),
  { name: "feed-latency", measure: measureFeedLatency },
  { name: "append-feeds", measure: measureAppendsBesideFeeds },
  { name: "append-subscription", measure: measureAppendsBesideSubscription },
  { name: "append-key", measure: measureKeyCosts },
  { name: "node-client", measure: measureNodeClient },
  course("deliveries", "Webhooks: a backlog delivered, 64 in flight", "events/s", measureDeliveries),
  course(
    "delivery-latency",
    "Webhooks: from append to received, 1,000 events/s on 10,000 subjects",
    "ms",
    measureDeliveryLatency,
  ),
  course("worker", "One request at a time, on a libSQL server: median", "ms", measureWorker),
  course("commands", "Commands of one event, 64 in flight, one process", "events/s", measureCommands),
  course("consume", "Events handled into libSQL, with cursors", "events/s", measureConsuming),
  course("ensure", "One subject of a feed asked for", "ms", measureEnsure),
  course(
    "reconstitute",
    `${RECONSTITUTED.toLocaleString("en")} subjects compared, none lacking`,
    "subjects/s",
    measureReconstitution,
  ),
  { name: "import", measure: measureImport },
  { name: "scale", measure: measureScale },
  { name: "start", measure: measureStarts },
  {
    ...course(
      "nodes",
      `Appends of one event on a libSQL server, ${CONNECTIONS} connections`,
      "events/s",
      (sandbox, options) => measureNodes(sandbox, options.command, options),
    ),
    onDemand: true,
  },
  {
    ...course("takeover", "Another node takes over for one that was killed", "ms", measureTakeover),
    onDemand: true,
  },
];
