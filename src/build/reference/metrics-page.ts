import { MEASURED_METRICS } from "../../core/measured-metrics.ts";
import { gaugeDescriptions } from "../../http/service/metrics.ts";
import { code, referencePage, table } from "./markdown.ts";

/** The metrics of `GET /metrics`. */
export function metricsPage(): string {
  const gauges = gaugeDescriptions().map((gauge) => ({ ...gauge, type: "gauge" }));
  const measured = Object.entries(MEASURED_METRICS).map(([name, { bounds, ...metric }]) => ({
    ...metric,
    name: `kilde_${name}`,
    type: bounds === null ? "counter" : "histogram",
  }));
  const rows = [...gauges, ...measured].map(({ name, type, help, labelNames }) => [
    code(name),
    type,
    labelNames.map(code).join(", "),
    help,
  ]);
  return referencePage("Metrics", "`src/http/service/metrics.ts`", [
    "`GET /metrics` answers in the text format of Prometheus. Gauges are read from the database when they are asked for. Counters and histograms count the work of the process that answers, with its threads, since its start; a worker, whose memory lasts no longer than a request, has none. A server with tenants adds the label `tenant` to each. [Monitor a server](../operate/monitor.md) shows which ones to alert on.",
    table(["name", "type", "labels", "meaning"], rows),
  ]);
}
