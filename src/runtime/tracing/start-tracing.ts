import { errorText } from "../../core/error-text.ts";
import { systemClock } from "../../core/system-clock.ts";

/** Longest wait for the last export, so that an absent collector does not delay the end of a process. */
const CLOSE_MS = 2_000;

/** Exports traces until it is closed. */
export interface Tracing {
  /** Exports the spans that have ended. Never rejects: a failed export must not fail the end of a process. */
  close(): Promise<void>;
}

/** The variables of OpenTelemetry's specification that decide whether traces are exported, and how. */
type TracingEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * Exports the traces of this thread if the environment names an endpoint; null: it names none. Throws for a protocol other than
 * OTLP over HTTP. `onFailure`: called with each failed export.
 */
export async function startTracing(
  environment: TracingEnvironment,
  onFailure: (message: string) => void = () => {},
): Promise<Tracing | null> {
  // An empty variable is one that is not set.
  const of = (name: string) => environment[name] || null;
  const endpoint = of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") ?? of("OTEL_EXPORTER_OTLP_ENDPOINT");
  const isOff = of("OTEL_SDK_DISABLED")?.toLowerCase() === "true" || of("OTEL_TRACES_EXPORTER") === "none";
  if (endpoint === null || isOff) return null;
  const stated = of("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? of("OTEL_EXPORTER_OTLP_PROTOCOL");
  const protocol = stated ?? "http/protobuf";
  if (protocol !== "http/protobuf" && protocol !== "http/json") throw new UnsupportedProtocolError(protocol);
  const { startSdk } = await import("./sdk.ts");
  const sdk = startSdk({ encoding: protocol === "http/json" ? "json" : "protobuf", onFailure });
  return { close: () => closeInTime(sdk, onFailure) };
}

async function closeInTime(sdk: Tracing, onFailure: (message: string) => void): Promise<void> {
  const over = new AbortController();
  const late = systemClock.sleep(CLOSE_MS, over.signal).then(() => {
    if (!over.signal.aborted) throw new Error(`the collector did not accept them within ${CLOSE_MS} ms`);
  });
  try {
    await Promise.race([sdk.close(), late]);
  } catch (error) {
    onFailure(errorText(error));
  } finally {
    over.abort();
  }
}

/** Traces cannot be exported by the protocol that the environment names. */
export class UnsupportedProtocolError extends Error {
  override readonly name = "UnsupportedProtocolError";

  constructor(protocol: string) {
    super(
      `OTEL_EXPORTER_OTLP_PROTOCOL is ${JSON.stringify(protocol)}: Kilde exports by http/protobuf or http/json`,
    );
  }
}
