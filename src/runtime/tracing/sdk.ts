import { diag, DiagLogLevel, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

import { version as VERSION } from "../../../package.json" with { type: "json" };
import type { Tracing } from "./start-tracing.ts";

/*
 * The SDK of OpenTelemetry, whose code runs only in a process that exports traces: it would take memory, and time at each start.
 * It reads the endpoint, the headers, the sampler and the limits from the variables of OpenTelemetry's specification.
 */

export interface SdkOptions {
  readonly encoding: "protobuf" | "json";
  readonly onFailure: (message: string) => void;
}

/** The SDK describes an error as JSON with its stack and the collector's answer, of which the log has the message alone. */
function reasonOf(report: string): string {
  try {
    const error = JSON.parse(report) as { readonly message?: unknown } | null;
    return typeof error?.message === "string" ? error.message : report;
  } catch {
    return report;
  }
}

/** Exports the spans of this thread from now on. */
export function startSdk({ encoding, onFailure }: SdkOptions): Tracing {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": "kilde", "service.version": VERSION }))
    .merge(detectResources({ detectors: [envDetector] }));
  const report = (message: string) => onFailure(reasonOf(message));
  const ignore = () => {};
  diag.setLogger(
    { error: report, warn: report, info: ignore, debug: ignore, verbose: ignore },
    DiagLogLevel.WARN,
  );
  const exporter = encoding === "json" ? new JsonExporter() : new ProtobufExporter();
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
  return { close: () => provider.shutdown() };
}
